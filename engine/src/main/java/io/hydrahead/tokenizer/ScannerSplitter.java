package io.hydrahead.tokenizer;

import static io.hydrahead.tokenizer.CharClass.LETTER;
import static io.hydrahead.tokenizer.CharClass.MARK;
import static io.hydrahead.tokenizer.CharClass.NUMBER;
import static io.hydrahead.tokenizer.CharClass.OTHER;
import static io.hydrahead.tokenizer.CharClass.SPACE;
import static io.hydrahead.tokenizer.CharClass.after;
import static io.hydrahead.tokenizer.CharClass.at;
import static io.hydrahead.tokenizer.CharClass.run;

import java.util.Map;
import java.util.Optional;

/** Hand-written scanners of the split patterns in wide use, equal to the regular expressions. */
final class ScannerSplitter implements Splitter {
  private static final String CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d";
  private static final String SPACES = "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  /** Qwen2 and Qwen3: digits one by one. */
  static final String QWEN =
      "(?i:"
          + CONTRACTIONS
          + ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
          + SPACES;

  /** GPT-4 and Llama 3: digits up to three by three. */
  static final String CL100K =
      "(?i:"
          + CONTRACTIONS
          + ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
          + SPACES;

  /** Qwen3.5: combining marks belong to words. */
  static final String QWEN_MARKS =
      "(?i:"
          + CONTRACTIONS
          + ")|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
          + "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*"
          + SPACES;

  /** GPT-2, also ByteLevel's own pattern. */
  static final String GPT2 =
      CONTRACTIONS + "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

  private static final Map<String, Splitter> KNOWN =
      Map.of(
          QWEN, new ScannerSplitter(1, LETTER, OTHER | MARK, false),
          CL100K, new ScannerSplitter(3, LETTER, OTHER | MARK, false),
          QWEN_MARKS, new ScannerSplitter(1, LETTER | MARK, OTHER, false),
          GPT2, new ScannerSplitter(Integer.MAX_VALUE, LETTER, OTHER | MARK, true));

  private final int digits;
  private final int letters;
  private final int others;
  private final boolean gpt2;

  private ScannerSplitter(int digits, int letters, int others, boolean gpt2) {
    this.digits = digits;
    this.letters = letters;
    this.others = others;
    this.gpt2 = gpt2;
  }

  /** The scanner that does what {@code pattern} does, if there is one. */
  static Optional<Splitter> of(String pattern) {
    return Optional.ofNullable(KNOWN.get(pattern));
  }

  @Override
  public void split(char[] text, int from, int to, Pieces out) {
    for (int i = from; i < to; ) {
      int end = gpt2 ? nextGpt2(text, i, to) : next(text, i, to);
      out.piece(text, i, end);
      i = end;
    }
  }

  private int next(char[] t, int i, int end) {
    if (t[i] == '\'') {
      int e = contraction(t, i, end, true);
      if (e > i) {
        return e;
      }
    }
    int c = at(t, i);
    if ((c & letters) != 0) {
      return run(t, i, end, letters);
    }
    if (c == NUMBER) {
      return digits(t, i, end);
    }
    if (!isNewline(t[i])) {
      int j = after(t, i);
      if (j < end && (at(t, j) & letters) != 0) {
        return run(t, j, end, letters);
      }
    }
    int j = t[i] == ' ' ? i + 1 : i;
    if (j < end && (at(t, j) & others) != 0) {
      j = run(t, j, end, others);
      while (j < end && isNewline(t[j])) {
        j++;
      }
      return j;
    }
    int e = run(t, i, end, SPACE);
    for (int k = e - 1; k >= i; k--) {
      if (isNewline(t[k])) {
        return k + 1;
      }
    }
    return spaces(i, e, end);
  }

  private int nextGpt2(char[] t, int i, int end) {
    if (t[i] == '\'') {
      int e = contraction(t, i, end, false);
      if (e > i) {
        return e;
      }
    }
    int j = t[i] == ' ' && i + 1 < end ? i + 1 : i;
    int c = at(t, j);
    if (c == SPACE) {
      return spaces(i, run(t, i, end, SPACE), end);
    }
    return run(t, j, end, (c & others) != 0 ? others : c);
  }

  /** {@code \s+(?!\S)|\s+} on the run of white space [i, e): a word keeps the space before it. */
  private static int spaces(int i, int e, int end) {
    return e == end || e - i == 1 ? e : e - 1;
  }

  private int digits(char[] t, int i, int end) {
    int n = 0;
    while (i < end && n < digits && at(t, i) == NUMBER) {
      i = after(t, i);
      n++;
    }
    return i;
  }

  private static boolean isNewline(char c) {
    return c == '\n' || c == '\r';
  }

  /** End of 's 't 'm 'd 're 've 'll at {@code i}, or {@code i}. */
  private static int contraction(char[] t, int i, int end, boolean anyCase) {
    if (i + 1 >= end) {
      return i;
    }
    char a = fold(t[i + 1], anyCase);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') {
      return i + 2;
    }
    if (i + 2 < end) {
      char b = fold(t[i + 2], anyCase);
      if ((a == 'r' || a == 'v') && b == 'e' || a == 'l' && b == 'l') {
        return i + 3;
      }
    }
    return i;
  }

  private static char fold(char c, boolean anyCase) {
    if (anyCase) {
      if (c == 'ſ') { // U+017F folds to s
        return 's';
      }
      if (c >= 'A' && c <= 'Z') {
        return (char) (c + 32);
      }
    }
    return c;
  }
}
