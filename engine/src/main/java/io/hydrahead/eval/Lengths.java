package io.hydrahead.eval;

import io.hydrahead.tensor.InputException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Context lengths as people write them: {@code 256}, {@code 4K}, {@code 512K}, {@code 1M}. */
public final class Lengths {
  private static final int LEAST = 16;

  /** Positions of a text, with room to count on. */
  private static final int MOST = 1 << 27;

  private Lengths() {}

  /**
   * Tokens of each length in a comma-separated list, ascending, each once.
   *
   * @throws InputException naming the one that is no length
   */
  public static List<Integer> parse(String list) {
    return Arrays.stream(list.split(",")).map(Lengths::one).distinct().sorted().toList();
  }

  /**
   * Tokens of one length, {@code 1024} a {@code K}; of any sign and size.
   *
   * @throws NumberFormatException if it is no length, or one that no long holds
   */
  public static long tokens(String text) {
    String s = text.strip().toUpperCase(Locale.ROOT);
    long unit = s.endsWith("K") ? 1024 : s.endsWith("M") ? 1024 * 1024 : 1;
    try {
      return Math.multiplyExact(
          Long.parseLong(unit == 1 ? s : s.substring(0, s.length() - 1)), unit);
    } catch (ArithmeticException e) {
      throw new NumberFormatException(e.getMessage());
    }
  }

  private static int one(String text) {
    try {
      long n = tokens(text);
      if (n >= LEAST && n <= MOST) {
        return (int) n;
      }
    } catch (NumberFormatException e) {
      // Falls through to the one message for everything that is no length.
    }
    throw new InputException(
        "length \""
            + text.strip()
            + "\": give tokens from "
            + LEAST
            + " to "
            + format(MOST)
            + ", such as 512, 4K or 512K");
  }

  /** The shortest spelling: {@code 4K} for 4096. */
  public static String format(long tokens) {
    if (tokens % (1024 * 1024) == 0) {
      return tokens / (1024 * 1024) + "M";
    }
    return tokens % 1024 == 0 ? tokens / 1024 + "K" : Long.toString(tokens);
  }
}
