package io.hydrahead.probe;

import java.util.Arrays;
import java.util.Optional;
import java.util.function.Function;
import java.util.random.RandomGenerator;

/**
 * A prompt and its counterfactual: the same text with the needle's value swapped for another of the
 * same type and token length. The true answer is teacher-forced in both.
 *
 * @param clean prompt and true answer
 * @param corrupted prompt with the other value, and the true answer
 * @param answerStart index of the answer's first token in both
 * @param truth tokens of the true answer
 * @param counterfactual tokens of the other value, as many
 * @param needleStart index in {@code clean} of the copy of the answer that is to be retrieved
 */
public record CounterfactualPair(
    int[] clean,
    int[] corrupted,
    int answerStart,
    int[] truth,
    int[] counterfactual,
    int needleStart) {

  private static final int TRIES = 200;

  /**
   * Makes a pair from a prompt that contains {@code answer}; empty if no value of the same token
   * length is found, or the answer's tokens do not stand in the prompt as they are asked for.
   *
   * @param encode text to token ids
   * @param separator what stands between prompt and answer, such as a space
   */
  public static Optional<CounterfactualPair> of(
      String prompt,
      String separator,
      String answer,
      Function<String, int[]> encode,
      RandomGenerator random) {
    int[] promptIds = encode.apply(prompt);
    int[] clean = encode.apply(prompt + separator + answer);
    int start = promptIds.length;
    if (clean.length <= start || !Arrays.equals(promptIds, Arrays.copyOf(clean, start))) {
      return Optional.empty();
    }
    int[] truth = Arrays.copyOfRange(clean, start, clean.length);
    int lead = 0;
    int needle = lastIndexOf(promptIds, truth);
    if (needle < 0) {
      lead = commonPrefix(truth, encode.apply(separator));
      needle = lastIndexOf(promptIds, Arrays.copyOfRange(truth, lead, truth.length));
    }
    if (needle < 0) {
      return Optional.empty();
    }
    for (int i = 0; i < TRIES; i++) {
      String other = sameType(answer, random);
      if (prompt.contains(other)) {
        continue;
      }
      int[] otherPrompt = encode.apply(prompt.replace(answer, other));
      int[] otherAll = encode.apply(prompt.replace(answer, other) + separator + other);
      if (otherPrompt.length != start || otherAll.length != clean.length) {
        continue;
      }
      int[] corrupted = clean.clone();
      System.arraycopy(otherPrompt, 0, corrupted, 0, start);
      return Optional.of(
          new CounterfactualPair(
              clean,
              corrupted,
              start,
              truth,
              Arrays.copyOfRange(otherAll, start, otherAll.length),
              needle - lead));
    }
    return Optional.empty();
  }

  private static int commonPrefix(int[] a, int[] b) {
    int n = Arrays.mismatch(a, b);
    return n < 0 ? a.length : n;
  }

  private static int lastIndexOf(int[] text, int[] what) {
    for (int i = text.length - what.length; i >= 0; i--) {
      if (what.length > 0 && Arrays.equals(text, i, i + what.length, what, 0, what.length)) {
        return i;
      }
    }
    return -1;
  }

  /** Another value of the same form: digits for digits, hex for hex, letters for letters. */
  static String sameType(String value, RandomGenerator random) {
    boolean decimal = value.matches("[0-9-]+");
    boolean hex = value.matches("[0-9a-f-]+");
    StringBuilder out = new StringBuilder(value.length());
    for (char c : value.toCharArray()) {
      if (decimal && c != '-') {
        out.append(Character.forDigit(random.nextInt(10), 10));
      } else if (hex && c != '-') {
        out.append(Character.forDigit(random.nextInt(16), 16));
      } else if (Character.isLowerCase(c)) {
        out.append((char) ('a' + random.nextInt(26)));
      } else {
        out.append(c);
      }
    }
    return out.toString();
  }

  /** Number of answer tokens. */
  public int answerTokens() {
    return truth.length;
  }

  /** Index of the row whose logits predict answer token {@code j}. */
  public int row(int j) {
    return answerStart + j - 1;
  }
}
