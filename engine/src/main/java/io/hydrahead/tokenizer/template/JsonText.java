package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Arguments.Bound;
import io.hydrahead.tokenizer.template.Values.Tuple;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The filter {@code tojson} of transformers, which is Python's {@code json.dumps} with {@code
 * ensure_ascii=False}; unlike Jinja's own it escapes nothing for HTML.
 */
final class JsonText {
  private final StringBuilder out = new StringBuilder();
  private final Meter meter;
  private final boolean ascii;
  private final boolean sorted;
  private final boolean indented;
  private final String indent;
  private final String comma;
  private final String colon;

  private JsonText(Bound b, Meter meter) {
    this.meter = meter;
    ascii = b.flag(0, false);
    indented = b.given(1);
    indent = indented ? indent(b, meter) : "";
    boolean separators = b.given(2);
    List<Object> pair = separators ? Values.items(b.get(2)) : List.of();
    if (separators && pair.size() != 2) {
      throw new Failure("tojson: separators are two strings");
    }
    comma = separators ? Values.string(pair.get(0), "a separator") : indented ? "," : ", ";
    colon = separators ? Values.string(pair.get(1), "a separator") : ": ";
    sorted = b.flag(3, false);
  }

  private static String indent(Bound b, Meter meter) {
    if (b.get(1) instanceof String s) {
      return s;
    }
    int width = Math.max(0, b.integer(1));
    meter.size(width);
    return " ".repeat(width);
  }

  /** Parameters as transformers names them. */
  static String of(Object value, Arguments args, Meter meter) {
    JsonText json =
        new JsonText(
            args.bind("tojson", "ensure_ascii?", "indent?", "separators?", "sort_keys?"), meter);
    json.write(value, 0);
    return meter.text(json.out.toString());
  }

  private void write(Object v, int depth) {
    meter.output(out.length());
    switch (v) {
      case String s -> string(s);
      case Boolean b -> out.append((boolean) b);
      case Long n -> out.append((long) n);
      case BigInteger n -> out.append(n);
      case Double d -> out.append(number(d));
      case List<?> l -> list(Values.cast(l), depth);
      case Tuple t -> list(t.items(), depth);
      case Map<?, ?> m -> map(Values.cast(m), depth);
      default -> {
        Values.defined(v);
        if (v != Values.NONE) {
          throw new Failure("a value of type " + Values.type(v) + " has no JSON form");
        }
        out.append("null");
      }
    }
  }

  private static String number(double d) {
    return Double.isNaN(d)
        ? "NaN"
        : Double.isInfinite(d) ? (d > 0 ? "Infinity" : "-Infinity") : Numbers.repr(d);
  }

  private void list(List<Object> items, int depth) {
    if (items.isEmpty()) {
      out.append("[]");
      return;
    }
    out.append('[');
    for (int i = 0; i < items.size(); i++) {
      out.append(i == 0 ? "" : comma);
      line(depth + 1);
      write(items.get(i), depth + 1);
    }
    line(depth);
    out.append(']');
  }

  private void map(Map<Object, Object> map, int depth) {
    if (map.isEmpty()) {
      out.append("{}");
      return;
    }
    List<Map.Entry<Object, Object>> entries = new ArrayList<>(map.entrySet());
    if (sorted) {
      entries.sort((a, b) -> Values.compare(a.getKey(), b.getKey()));
    }
    out.append('{');
    String before = "";
    for (Map.Entry<Object, Object> e : entries) {
      out.append(before);
      line(depth + 1);
      string(key(e.getKey()));
      out.append(colon);
      write(e.getValue(), depth + 1);
      before = comma;
    }
    line(depth);
    out.append('}');
  }

  private static String key(Object key) {
    return switch (key) {
      case String s -> s;
      case Boolean b -> b ? "true" : "false";
      case Double d -> number(d);
      case Long n -> n.toString();
      case BigInteger n -> n.toString();
      default -> {
        if (key != Values.NONE) {
          throw new Failure("a value of type " + Values.type(key) + " is no key of JSON");
        }
        yield "null";
      }
    };
  }

  private void line(int depth) {
    if (indented) {
      out.append('\n').repeat(indent, depth);
    }
  }

  private void string(String s) {
    out.append('"');
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\b' -> out.append("\\b");
        case '\f' -> out.append("\\f");
        default -> {
          if (c < 0x20 || ascii && c > 0x7E) {
            out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }
}
