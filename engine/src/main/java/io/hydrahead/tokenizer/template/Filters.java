package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Arguments.Bound;
import io.hydrahead.tokenizer.template.Values.Tuple;
import io.hydrahead.tokenizer.template.Values.Undefined;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Jinja's filters: {@code value | name(arguments)}. Those of text and numbers are here, those of
 * several values in {@link SequenceFilters}.
 */
final class Filters {
  @FunctionalInterface
  interface Filter {
    Object apply(Object value, Arguments args, Lookup lookup);
  }

  private static final Pattern WORD_BEGINNING =
      Pattern.compile("[-\\s({\\[<]+", Pattern.UNICODE_CHARACTER_CLASS);
  private static final Pattern WORD = Pattern.compile("\\w+", Pattern.UNICODE_CHARACTER_CLASS);
  private static final Map<String, Filter> FILTERS = new HashMap<>();

  static {
    FILTERS.put("tojson", (v, args, l) -> JsonText.of(v, args, l.meter()));
    text("string", s -> s);
    text("safe", s -> s);
    text("upper", PythonText::upper);
    text("lower", PythonText::lower);
    text("capitalize", PythonText::capitalize);
    text("title", Filters::title);
    for (String name : List.of("e", "escape", "forceescape")) {
      text(name, Filters::escape);
    }
    FILTERS.put("wordcount", (v, args, l) -> WORD.matcher(PythonText.str(v)).results().count());
    FILTERS.put("trim", Filters::trim);
    FILTERS.put("replace", Filters::replace);
    FILTERS.put("indent", Filters::indent);
    FILTERS.put("truncate", Filters::truncate);
    FILTERS.put("center", Filters::center);
    FILTERS.put("format", Filters::format);
    for (String name : List.of("d", "default")) {
      FILTERS.put(name, Filters::fallback);
    }
    FILTERS.put("abs", (v, args, l) -> absolute(v));
    FILTERS.put("int", Filters::integer);
    FILTERS.put("float", Filters::real);
    FILTERS.put("round", Filters::round);
    FILTERS.put("attr", (v, args, l) -> l.own(v, args.bind("attr", "name").string(0)));
    FILTERS.putAll(SequenceFilters.FILTERS);
  }

  private Filters() {}

  private interface OfText {
    String apply(String s);
  }

  private static void text(String name, OfText f) {
    FILTERS.put(
        name,
        (v, args, l) -> {
          args.bind(name);
          return l.meter().text(f.apply(PythonText.str(v)));
        });
  }

  static boolean exists(String name) {
    return FILTERS.containsKey(name);
  }

  static Set<String> names() {
    return FILTERS.keySet();
  }

  static Object apply(String name, Object value, Arguments args, Lookup lookup) {
    Filter f = FILTERS.get(name);
    if (f == null) {
      throw new Failure("there is no filter '" + name + "'");
    }
    return f.apply(value, args, lookup);
  }

  private static String title(String s) {
    StringBuilder out = new StringBuilder();
    Matcher m = WORD_BEGINNING.matcher(s);
    int from = 0;
    while (m.find()) {
      out.append(word(s.substring(from, m.start()))).append(m.group());
      from = m.end();
    }
    return out.append(word(s.substring(from))).toString();
  }

  private static String word(String s) {
    if (s.isEmpty()) {
      return s;
    }
    int rest = Character.charCount(s.codePointAt(0));
    return PythonText.upper(s.substring(0, rest)) + PythonText.lower(s.substring(rest));
  }

  private static String escape(String s) {
    return s.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("'", "&#39;")
        .replace("\"", "&#34;");
  }

  private static Object trim(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("trim", "chars?");
    String s = lookup.meter().text(PythonText.str(v));
    return b.given(0)
        ? PythonText.strip(s, b.string(0), true, true)
        : PythonText.strip(s, true, true);
  }

  private static Object replace(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("replace", "old", "new", "count?");
    return StringMethods.replace(
        PythonText.str(v),
        PythonText.str(b.get(0)),
        PythonText.str(b.get(1)),
        b.integer(2, -1),
        lookup.meter());
  }

  private static Object indent(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("indent", "width?", "first?", "blank?");
    int spaces = b.has(0) && b.get(0) instanceof String ? 0 : Math.max(0, b.integer(0, 4));
    lookup.meter().size(spaces);
    String indent = b.has(0) && b.get(0) instanceof String s ? s : " ".repeat(spaces);
    boolean blank = b.flag(2, false);
    List<Object> lines = PythonText.lines(Values.string(v, "what indent is given") + "\n", false);
    StringBuilder out = new StringBuilder(b.flag(1, false) ? indent : "");
    for (int i = 0; i < lines.size(); i++) {
      String line = (String) lines.get(i);
      boolean indented = i > 0 && (blank || !line.isEmpty());
      out.append(i == 0 ? "" : "\n").append(indented ? indent : "").append(line);
      lookup.meter().output(out.length());
    }
    return lookup.meter().text(out.toString());
  }

  private static Object truncate(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("truncate", "length?", "killwords?", "end?", "leeway?");
    String s = Values.string(v, "what truncate is given");
    int length = b.integer(0, 255);
    String end = b.string(2, "...");
    int leeway = b.integer(3, 5);
    int keep = length - (int) Values.length(end);
    if (keep < 0 || leeway < 0) {
      throw new Failure("truncate: the length is below that of its end, or the leeway below 0");
    }
    if (Values.length(s) <= (long) length + leeway) {
      return s;
    }
    String cut = s.substring(0, s.offsetByCodePoints(0, keep));
    int space = cut.lastIndexOf(' ');
    return (b.flag(1, false) || space < 0 ? cut : cut.substring(0, space)) + end;
  }

  private static Object center(Object v, Arguments args, Lookup lookup) {
    int width = args.bind("center", "width?").integer(0, 80);
    return StringMethods.justify(PythonText.str(v), width, " ", "center", lookup.meter());
  }

  private static Object format(Object v, Arguments args, Lookup lookup) {
    if (!args.named().isEmpty() && !args.positional().isEmpty()) {
      throw new Failure("format takes values by place or by name, not both");
    }
    Object values =
        args.named().isEmpty() ? new Tuple(args.positional()) : Map.copyOf(args.named());
    return lookup.meter().text(Formatting.percent(PythonText.str(v), values));
  }

  private static Object fallback(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("default", "default_value?", "boolean?");
    boolean replaced = v instanceof Undefined || b.flag(1, false) && !Values.truth(v);
    return replaced ? b.get(0, "") : v;
  }

  private static Object absolute(Object v) {
    Object n = Numbers.plus(v);
    return Numbers.compare(n, 0L) < 0 ? Numbers.negate(n) : n;
  }

  private static Object integer(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("int", "default?", "base?");
    Object fallback = b.get(0, 0L);
    if (Numbers.isInteger(v)) {
      return Numbers.plus(v);
    }
    if (v instanceof Undefined) {
      return Values.defined(v);
    }
    if (v instanceof String s) {
      BigInteger n = parse(s, b.integer(1, 10));
      if (n != null) {
        return Numbers.normal(n);
      }
    }
    Double d = v instanceof Double x ? x : v instanceof String s ? parse(s) : null;
    return d == null || d.isNaN() || d.isInfinite()
        ? fallback
        : Numbers.normal(new BigDecimal(d).toBigInteger());
  }

  /** What Python's {@code int(s, base)} reads, or null. */
  private static BigInteger parse(String s, int base) {
    String digits = PythonText.strip(s, true, true);
    String prefix =
        switch (base) {
          case 2 -> "0b";
          case 8 -> "0o";
          case 16 -> "0x";
          default -> "";
        };
    boolean negative = digits.startsWith("-");
    if (negative || digits.startsWith("+")) {
      digits = digits.substring(1);
    }
    if (!prefix.isEmpty() && PythonText.lower(digits).startsWith(prefix)) {
      digits = digits.substring(2);
    }
    if (base < 2 || base > 36 || !digits.matches("[0-9A-Za-z]+(_[0-9A-Za-z]+)*")) {
      return null;
    }
    try {
      BigInteger n = new BigInteger(digits.replace("_", ""), base);
      return negative ? n.negate() : n;
    } catch (NumberFormatException e) {
      return null;
    }
  }

  /** What Python's {@code float(s)} reads, or null. */
  private static Double parse(String s) {
    String digits = PythonText.strip(s, true, true);
    String number = "[-+]?(\\d+(_\\d+)*(\\.(\\d+(_\\d+)*)?)?|\\.\\d+(_\\d+)*)([eE][-+]?\\d+)?";
    if (digits.matches(number)) {
      return Double.valueOf(digits.replace("_", ""));
    }
    return switch (PythonText.lower(digits)) {
      case "nan", "+nan", "-nan" -> Double.NaN;
      case "inf", "+inf", "infinity", "+infinity" -> Double.POSITIVE_INFINITY;
      case "-inf", "-infinity" -> Double.NEGATIVE_INFINITY;
      default -> null;
    };
  }

  private static Object real(Object v, Arguments args, Lookup lookup) {
    Object fallback = args.bind("float", "default?").get(0, 0.0);
    if (Numbers.isNumber(v)) {
      return Numbers.real(v);
    }
    Values.defined(v);
    Double d = v instanceof String s ? parse(s) : null;
    return d == null ? fallback : d;
  }

  private static Object round(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("round", "precision?", "method?");
    int precision = b.integer(0, 0);
    String method = b.string(1, "common");
    if (Math.abs(precision) > 300) {
      throw new Failure("round: a precision from -300 to 300 is possible");
    }
    Object n = Numbers.plus(v);
    RoundingMode mode =
        switch (method) {
          case "common" -> RoundingMode.HALF_EVEN;
          case "ceil" -> RoundingMode.CEILING;
          case "floor" -> RoundingMode.FLOOR;
          default -> throw new Failure("round: the method is common, ceil or floor");
        };
    if (!method.equals("common")) {
      double scale = Math.pow(10, precision);
      double scaled = Numbers.real(n) * scale;
      return (mode == RoundingMode.CEILING ? Math.ceil(scaled) : Math.floor(scaled)) / scale;
    }
    if (n instanceof Double d) {
      boolean finite = !d.isNaN() && !d.isInfinite();
      return finite ? (Object) new BigDecimal(d).setScale(precision, mode).doubleValue() : n;
    }
    BigDecimal whole = new BigDecimal(Numbers.big(n));
    return Numbers.normal(whole.setScale(Math.min(0, precision), mode).toBigInteger());
  }
}
