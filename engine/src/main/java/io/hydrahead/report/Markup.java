package io.hydrahead.report;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;

/** Writes HTML and SVG: elements nest as the calls do, and everything from outside is escaped. */
final class Markup {
  private final StringBuilder out = new StringBuilder();
  private final Deque<String> open = new ArrayDeque<>();

  /** Opens an element; {@code attributes} are names and values in turn. */
  Markup open(String tag, Object... attributes) {
    start(tag, attributes);
    out.append('>');
    open.push(tag);
    return this;
  }

  /** Closes the innermost element. */
  Markup close() {
    String tag = open.pop();
    out.append("</").append(tag).append('>');
    if (!tag.equals("span") && !tag.equals("b") && !tag.equals("a") && !tag.equals("code")) {
      out.append('\n');
    }
    return this;
  }

  /** An element with text in it. */
  Markup element(String tag, String text, Object... attributes) {
    return open(tag, attributes).text(text).close();
  }

  /** An element without content. */
  Markup empty(String tag, Object... attributes) {
    start(tag, attributes);
    out.append("/>");
    return this;
  }

  private void start(String tag, Object... attributes) {
    out.append('<').append(tag);
    for (int i = 0; i < attributes.length; i += 2) {
      out.append(' ').append(attributes[i]).append("=\"");
      Object value = attributes[i + 1];
      out.append(value instanceof Double d ? number(d) : escape(value.toString())).append('"');
    }
  }

  Markup text(String text) {
    out.append(escape(text));
    return this;
  }

  /** Text in which {@code **…**} is bold. */
  Markup rich(String text) {
    String[] parts = text.split("\\*\\*");
    for (int i = 0; i < parts.length; i++) {
      if (i % 2 == 1) {
        element("b", parts[i]);
      } else {
        text(parts[i]);
      }
    }
    return this;
  }

  Markup append(Markup finished) {
    out.append(finished);
    return this;
  }

  /** Markup that is known to be sound, such as the style sheet. */
  Markup raw(String markup) {
    out.append(markup);
    return this;
  }

  /** Coordinates with at most two decimals. */
  static String number(double v) {
    String s = String.format(Locale.ROOT, "%.2f", v);
    int end = s.length();
    while (s.charAt(end - 1) == '0') {
      end--;
    }
    s = s.substring(0, s.charAt(end - 1) == '.' ? end - 1 : end);
    return s.equals("-0") ? "0" : s;
  }

  static String escape(String s) {
    StringBuilder b = new StringBuilder(s.length());
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      switch (c) {
        case '&' -> b.append("&amp;");
        case '<' -> b.append("&lt;");
        case '>' -> b.append("&gt;");
        case '"' -> b.append("&quot;");
        default -> b.append(c < ' ' && c != '\n' && c != '\t' ? ' ' : c);
      }
    }
    return b.toString();
  }

  @Override
  public String toString() {
    if (!open.isEmpty()) {
      throw new IllegalStateException("not closed: " + open);
    }
    return out.toString();
  }
}
