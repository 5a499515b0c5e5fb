package io.hydrahead.cli;

import io.hydrahead.eval.Lengths;
import picocli.CommandLine.TypeConversionException;

/** A number of tokens as people write it: {@code 4096}, {@code 4K}, {@code 512K}, {@code 1M}. */
record TokenCount(long tokens) {

  static TokenCount parse(String text) {
    try {
      long n = Lengths.tokens(text);
      if (n < 1) {
        throw new TypeConversionException("'" + text + "' is not a positive number of tokens");
      }
      return new TokenCount(n);
    } catch (NumberFormatException e) {
      throw new TypeConversionException(
          "'" + text + "' is not a number of tokens such as 4096, 4K or 1M");
    }
  }

  /** The shortest spelling: {@code 4K} for 4096. */
  static String format(long tokens) {
    return Lengths.format(tokens);
  }

  @Override
  public String toString() {
    return format(tokens);
  }
}
