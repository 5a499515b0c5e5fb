package io.hydrahead.eval;

import io.hydrahead.data.TextCodec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Answers by looking a key up in the last {@code window} tokens of its prompt; a stand-in model.
 */
record ReadingModel(TextCodec codec, int window) implements EvalModel {
  private static final Pattern NEEDLE =
      Pattern.compile("magic (?:numbers|uuids) for (\\S+) is: ([0-9a-f-]+)\\.");
  private static final Pattern LINE = Pattern.compile("(?m)^([A-Za-z ]+): (\\S+)$");
  private static final Pattern ASKED =
      Pattern.compile("(?m)(?:The phone number of (.+) is|^(\\w+):)\\z");

  @Override
  public String name() {
    return "reader";
  }

  @Override
  public int[] generate(int[] prompt, int maxNew) {
    int from = Math.max(0, prompt.length - window);
    String text = codec.decode(Arrays.copyOfRange(prompt, from, prompt.length));
    int[] out = codec.encode(answer(text));
    return Arrays.copyOf(out, Math.min(out.length, maxNew));
  }

  private static String answer(String text) {
    List<String> found = new ArrayList<>();
    Matcher asked = ASKED.matcher(text);
    if (asked.find()) {
      String key = asked.group(1) == null ? asked.group(2) : asked.group(1);
      Matcher m = LINE.matcher(text);
      while (m.find()) {
        if (m.group(1).equals(key)) {
          found.add(m.group(2));
        }
      }
    } else {
      int q = text.lastIndexOf("\nWhat ");
      String question = text.substring(q).replaceAll("[,?]", " ");
      Matcher m = NEEDLE.matcher(text);
      List<String> keys = new ArrayList<>();
      List<String> values = new ArrayList<>();
      while (m.find()) {
        keys.add(m.group(1));
        values.add(m.group(2));
      }
      List<String> order = new ArrayList<>();
      for (String word : question.split("\\s+")) {
        if (keys.contains(word) && !order.contains(word)) {
          order.add(word);
        }
      }
      for (String key : order) {
        for (int i = 0; i < keys.size(); i++) {
          if (keys.get(i).equals(key)) {
            found.add(values.get(i));
          }
        }
      }
    }
    return " " + String.join(", ", found);
  }

  /** Uniform over the vocabulary. */
  @Override
  public double[] tokenLogLikelihoods(int[] ids) {
    double[] out = new double[ids.length - 1];
    Arrays.fill(out, -Math.log(codec.vocabSize()));
    return out;
  }
}
