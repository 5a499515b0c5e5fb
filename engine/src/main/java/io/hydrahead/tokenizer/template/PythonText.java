package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Values.DictView;
import io.hydrahead.tokenizer.template.Values.Tuple;
import io.hydrahead.tokenizer.template.Values.Undefined;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Strings as Python has them: white space, order, and what values print as. */
final class PythonText {
  private PythonText() {}

  /** Whether {@code str.isspace()} holds for a character. All of them lie below U+FFFF. */
  static boolean isSpace(int c) {
    return c >= 9 && c <= 13
        || c >= 0x1C && c <= 0x20
        || c == 0x85
        || c == 0xA0
        || c == 0x1680
        || c >= 0x2000 && c <= 0x200A
        || c == 0x2028
        || c == 0x2029
        || c == 0x202F
        || c == 0x205F
        || c == 0x3000;
  }

  /** Whether all of {@code s[from … to − 1]} is white space. */
  static boolean isSpace(String s, int from, int to) {
    for (int i = from; i < to; i++) {
      if (!isSpace(s.charAt(i))) {
        return false;
      }
    }
    return true;
  }

  /** Without white space at the ends asked for. */
  static String strip(String s, boolean left, boolean right) {
    int from = 0;
    int to = s.length();
    while (left && from < to && isSpace(s.charAt(from))) {
      from++;
    }
    while (right && to > from && isSpace(s.charAt(to - 1))) {
      to--;
    }
    return s.substring(from, to);
  }

  /** Without any of the characters {@code chars} at the ends asked for. */
  static String strip(String s, String chars, boolean left, boolean right) {
    int from = 0;
    int to = s.length();
    while (left && from < to && chars.indexOf(s.codePointAt(from)) >= 0) {
      from += Character.charCount(s.codePointAt(from));
    }
    while (right && to > from && chars.indexOf(s.codePointBefore(to)) >= 0) {
      to -= Character.charCount(s.codePointBefore(to));
    }
    return s.substring(from, to);
  }

  /** Order by code points. */
  static int compare(String a, String b) {
    int n = Math.min(a.length(), b.length());
    for (int i = 0; i < n; i++) {
      char x = a.charAt(i);
      char y = b.charAt(i);
      if (x != y) {
        return Integer.compare(rank(x), rank(y));
      }
    }
    return Integer.compare(a.length(), b.length());
  }

  /** Surrogates stand for characters beyond all others. */
  private static int rank(char c) {
    return Character.isSurrogate(c) ? c + 0x10000 : c;
  }

  /** Python's {@code str(v)}; undefined is nothing. */
  static String str(Object v) {
    return switch (v) {
      case String s -> s;
      case Undefined _ -> "";
      default -> {
        StringBuilder out = new StringBuilder();
        repr(v, out);
        yield out.toString();
      }
    };
  }

  static String repr(Object v) {
    StringBuilder out = new StringBuilder();
    repr(v, out);
    return out.toString();
  }

  private static void repr(Object v, StringBuilder out) {
    switch (v) {
      case String s -> quote(s, out);
      case Boolean b -> out.append(b ? "True" : "False");
      case Long n -> out.append((long) n);
      case BigInteger n -> out.append(n);
      case Double d -> out.append(Numbers.repr(d));
      case Undefined _ -> out.append("Undefined");
      case List<?> l -> items(l, "[", "]", out);
      case Tuple t -> items(t.items(), "(", t.items().size() == 1 ? ",)" : ")", out);
      case DictView d -> items(d.items(), "dict_" + d.method() + "([", "])", out);
      case Map<?, ?> m -> {
        String comma = "{";
        for (Map.Entry<?, ?> e : m.entrySet()) {
          out.append(comma);
          repr(e.getKey(), out);
          out.append(": ");
          repr(e.getValue(), out);
          comma = ", ";
        }
        out.append(m.isEmpty() ? "{}" : "}");
      }
      default -> {
        if (v != Values.NONE) {
          throw new Failure("a value of type " + Values.type(v) + " cannot be printed");
        }
        out.append("None");
      }
    }
  }

  private static void items(List<?> items, String open, String close, StringBuilder out) {
    out.append(open);
    for (int i = 0; i < items.size(); i++) {
      out.append(i == 0 ? "" : ", ");
      repr(items.get(i), out);
    }
    out.append(close);
  }

  private static void quote(String s, StringBuilder out) {
    char quote = s.indexOf('\'') >= 0 && s.indexOf('"') < 0 ? '"' : '\'';
    out.append(quote);
    s.codePoints()
        .forEach(c -> {
          switch (c) {
            case '\\' -> out.append("\\\\");
            case '\n' -> out.append("\\n");
            case '\r' -> out.append("\\r");
            case '\t' -> out.append("\\t");
            default -> {
              if (c == quote) {
                out.append('\\').append(quote);
              } else if (printable(c)) {
                out.appendCodePoint(c);
              } else {
                String format = c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x";
                out.append(String.format(Locale.ROOT, format, c));
              }
            }
          }
        });
    out.append(quote);
  }

  static boolean printable(int c) {
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          false;
      case Character.SPACE_SEPARATOR -> c == ' ';
      default -> true;
    };
  }

  /** Lines without their ends, as {@code str.splitlines} knows them. */
  static List<Object> lines(String s, boolean keepEnds) {
    List<Object> out = new ArrayList<>();
    int from = 0;
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      boolean ends =
          c >= '\n' && c <= '\r'
              || c >= 0x1C && c <= 0x1E
              || c == 0x85
              || c == 0x2028
              || c == 0x2029;
      if (ends) {
        int to = i;
        if (c == '\r' && i + 1 < s.length() && s.charAt(i + 1) == '\n') {
          i++;
        }
        out.add(s.substring(from, keepEnds ? i + 1 : to));
        from = i + 1;
      }
    }
    if (from < s.length()) {
      out.add(s.substring(from));
    }
    return out;
  }

  static String upper(String s) {
    return s.toUpperCase(Locale.ROOT);
  }

  static String lower(String s) {
    return s.toLowerCase(Locale.ROOT);
  }

  /** First character in title case, the rest small. */
  static String capitalize(String s) {
    if (s.isEmpty()) {
      return s;
    }
    int first = s.codePointAt(0);
    int rest = Character.charCount(first);
    return title(first) + lower(s.substring(rest));
  }

  static String title(int c) {
    int title = Character.toTitleCase(c);
    return title == c ? upper(Character.toString(c)) : Character.toString(title);
  }

  /** As {@code str.title()}: every run of cased letters begins large. */
  static String title(String s) {
    StringBuilder out = new StringBuilder();
    boolean inWord = false;
    for (int i = 0; i < s.length(); ) {
      int c = s.codePointAt(i);
      int n = Character.charCount(c);
      boolean cased =
          Character.isUpperCase(c) || Character.isLowerCase(c) || Character.isTitleCase(c);
      out.append(
          cased && !inWord
              ? title(c)
              : cased ? lower(Character.toString(c)) : Character.toString(c));
      inWord = cased;
      i += n;
    }
    return out.toString();
  }
}
