package io.hydrahead.tokenizer;

import io.hydrahead.tensor.InputException;
import java.nio.CharBuffer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * Splits at the matches of a regular expression, which stay as pieces of their own ({@code
 * Isolated}). Classes and case folding are Unicode's, as in Oniguruma; what Java and Oniguruma (in
 * its Ruby syntax) read differently is refused.
 */
final class RegexSplitter implements Splitter {
  private static final int FLAGS =
      Pattern.UNICODE_CHARACTER_CLASS | Pattern.UNICODE_CASE | Pattern.UNIX_LINES;
  private static final String DIFFERENT_ESCAPES = "wWbBhHvVRXKGZ";

  private final Pattern pattern;

  RegexSplitter(Pattern pattern) {
    this.pattern = pattern;
  }

  /**
   * From the text of a {@code Regex} pattern.
   *
   * @throws InputException naming {@code field}, if Java cannot express it
   */
  static RegexSplitter of(String regex, String field) {
    refuseDifferent(regex, field);
    try {
      return new RegexSplitter(Pattern.compile(regex, FLAGS));
    } catch (PatternSyntaxException e) {
      try {
        // Oniguruma calls a script \p{Han}, Java \p{IsHan}.
        String scripts = regex.replaceAll("\\\\([pP])\\{(\\^?)(?!Is)(\\w{3,})}", "\\\\$1{$2Is$3}");
        return new RegexSplitter(Pattern.compile(scripts, FLAGS));
      } catch (PatternSyntaxException _) {
        throw new InputException(
            field + ": the pattern is not supported: " + e.getDescription() + " in " + regex);
      }
    }
  }

  private static void refuseDifferent(String regex, String field) {
    int depth = 0;
    for (int i = 0; i < regex.length(); i++) {
      char c = regex.charAt(i);
      String found = String.valueOf(c);
      boolean different = false;
      if (c == '\\' && i + 1 < regex.length()) {
        found = regex.substring(i, i + 2);
        different = DIFFERENT_ESCAPES.indexOf(regex.charAt(++i)) >= 0;
      } else if (c == '[') {
        depth++;
        different = regex.startsWith("[:", i);
        found = "[:";
      } else if (c == ']') {
        depth = Math.max(depth - 1, 0);
      } else {
        different = depth == 0 && (c == '^' || c == '$');
      }
      if (different) {
        throw new InputException(
            field
                + ": "
                + found
                + " differs between regular expression engines and is not"
                + " supported: "
                + regex);
      }
    }
  }

  @Override
  public void split(char[] text, int from, int to, Pieces out) {
    // A buffer of its own, so that look-around cannot see what lies outside.
    Matcher m = pattern.matcher(CharBuffer.wrap(text, from, to - from));
    int at = from;
    while (m.find()) {
      if (m.end() == m.start()) {
        continue;
      }
      if (from + m.start() > at) {
        out.piece(text, at, from + m.start());
      }
      at = from + m.end();
      out.piece(text, from + m.start(), at);
    }
    if (at < to) {
      out.piece(text, at, to);
    }
  }
}
