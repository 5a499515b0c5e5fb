package io.hydrahead.cli;

import java.math.BigDecimal;
import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.TypeConversionException;

/** How words of a command line become values, with errors that say what would do. */
final class Values {
  private Values() {}

  static void register(CommandLine line) {
    line.registerConverter(int.class, Values::integer);
    line.registerConverter(Integer.class, Values::integer);
    line.registerConverter(long.class, Values::whole);
    line.registerConverter(Long.class, Values::whole);
    line.registerConverter(double.class, Values::number);
    line.registerConverter(Double.class, Values::number);
    line.registerConverter(Path.class, Values::path);
    line.registerConverter(TokenCount.class, TokenCount::parse);
    line.registerConverter(TimeSpan.class, TimeSpan::parse);
    line.registerConverter(ByteCount.class, ByteCount::parse);
  }

  private static int integer(String text) {
    long n = whole(text);
    if (n != (int) n) {
      throw outside(text, Integer.MIN_VALUE, Integer.MAX_VALUE);
    }
    return (int) n;
  }

  private static long whole(String text) {
    try {
      return Long.parseLong(text);
    } catch (NumberFormatException e) {
      if (text.matches("[+-]?\\d+")) {
        throw outside(text, Long.MIN_VALUE, Long.MAX_VALUE);
      }
      throw new TypeConversionException("'" + text + "' is not a whole number");
    }
  }

  private static TypeConversionException outside(String text, long least, long most) {
    return new TypeConversionException(
        "'"
            + text
            + "' is too "
            + (text.startsWith("-")
                ? "small: " + least + " is the least"
                : "large: " + most + " is the most"));
  }

  /** Finite, since no option has a use for anything else. */
  private static double number(String text) {
    try {
      double x = Double.parseDouble(text);
      if (Double.isFinite(x)) {
        return x;
      }
    } catch (NumberFormatException e) {
      // the same message
    }
    throw new TypeConversionException("'" + text + "' is not a number such as 2 or 0.5");
  }

  /** As people write it: {@code 2} and not {@code 2.0}. */
  static String spell(double value) {
    return BigDecimal.valueOf(value).stripTrailingZeros().toPlainString();
  }

  /** An empty one would be the working folder, and is mostly a variable that was not filled. */
  private static Path path(String text) {
    if (text.isBlank()) {
      throw new TypeConversionException("the path is empty; was a variable not filled?");
    }
    return Path.of(text);
  }
}
