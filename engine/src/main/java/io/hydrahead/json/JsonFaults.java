package io.hydrahead.json;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import tools.jackson.core.JacksonException;

/** What is wrong with a text that is no JSON, in words for who wrote it and not for its parser. */
final class JsonFaults {
  /** The first that matches the parser's message counts; {@code $1} is its first group. */
  private record Fault(Pattern message, String words) {
    Fault(String message, String words) {
      this(Pattern.compile(message), words);
    }
  }

  private static final List<Fault> FAULTS =
      List.of(
          new Fault("Duplicate Object property \"(.*)\"", "duplicate name \"$1\""),
          new Fault(
              "Unexpected end-of-input.*(?:String value|quote|property name|escape)",
              "it ends inside a text or name, whose closing quote is missing"),
          new Fault(
              "Unexpected end-of-input",
              "it ends too early: a value or closing bracket is missing"),
          new Fault(
              "Unexpected character \\('(.+)' \\(code.*double-quote to start property name",
              "a name in double quotes is expected, not $1"),
          new Fault(
              "Unexpected character \\('(.+)' \\(code.*a colon",
              "a colon is expected behind the name, not $1"),
          new Fault(
              "Unexpected character \\('(.+)' \\(code.*a? ?comma",
              "a comma or a closing bracket is expected, not $1"),
          new Fault("hex-digit", "\\u takes four hexadecimal digits"),
          new Fault("Unrecognized character escape", "there is no such escape behind a \\"),
          new Fault(
              "[Ss]urrogate", "an escape is half of a character: \\ud83e needs its other half"),
          new Fault(
              "Illegal unquoted character",
              "a line break or control character in a text is written as an escape, such as \\n"),
          new Fault("Unexpected close marker '(.+?)'", "$1 closes nothing that is open"),
          new Fault("Trailing token", "more follows behind its end"),
          new Fault("nesting depth .* allowed \\((\\d+)", "it is nested more than $1 levels deep"),
          new Fault("Number value length .* allowed \\((\\d+)", "a number has more than $1 digits"),
          new Fault(
              "String value length .* allowed \\((\\d+)", "a text has more than $1 characters"),
          new Fault("Name length .* allowed \\((\\d+)", "a name has more than $1 characters"),
          new Fault("out of range", "a number is too large"),
          new Fault("Leading zeroes", "a number cannot begin with 0"),
          new Fault("Non-standard token '(.+?)'", "$1 is no JSON value; numbers are finite there"),
          new Fault(
              "Unrecognized token '(.*?)'",
              "$1 is no JSON value; texts are in double quotes, and the only words are true, false and null"),
          new Fault(
              "Unexpected character \\('(.+)' \\(code.*a valid value", "$1 is not expected here"),
          new Fault(
              "(?i)numeric value|number|digit|decimal point|exponent|plus sign|hexadecimal",
              "this is no JSON number"));

  private JsonFaults() {}

  /** One line, never the parser's own. */
  static String words(JacksonException e) {
    String message = e.getOriginalMessage() == null ? "" : e.getOriginalMessage();
    for (Fault f : FAULTS) {
      Matcher m = f.message.matcher(message);
      if (m.find()) {
        return m.groupCount() == 0 ? f.words : f.words.replace("$1", Excerpt.of(m.group(1)));
      }
    }
    return "this is not JSON";
  }
}
