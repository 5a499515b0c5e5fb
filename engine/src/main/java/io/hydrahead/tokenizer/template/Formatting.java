package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Values.Tuple;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Python's {@code "…" % values} and the simple part of {@code "…".format(…)}. */
final class Formatting {
  private static final int MAX_WIDTH = 10_000;

  private static final Pattern PERCENT =
      Pattern.compile(
          "%(?:\\((?<key>[^)]*)\\))?(?<flags>[-+ 0#]*)(?<width>\\d*)(?:\\.(?<digits>\\d*))?(?<type>.)?",
          Pattern.DOTALL);

  private static final Pattern BRACES =
      Pattern.compile("\\{\\{|}}|\\{(?<field>[^{}!:.\\[\\]]*)(?<rest>[^{}]*)}|[{}]");

  private Formatting() {}

  /** {@code format % values}: a tuple's items one after the other, a dictionary's by name. */
  static String percent(String format, Object values) {
    StringBuilder out = new StringBuilder();
    Matcher m = PERCENT.matcher(format);
    List<Object> all = values instanceof Tuple t ? t.items() : List.of(values);
    int used = 0;
    while (m.find()) {
      String type = m.group("type");
      if (type == null) {
        throw new Failure("the format ends within a directive");
      }
      Object value = "";
      if (m.group("key") != null) {
        if (!(values instanceof Map<?, ?> map) || !map.containsKey(m.group("key"))) {
          throw new Failure("the format's value '" + m.group("key") + "' is missing");
        }
        value = map.get(m.group("key"));
      } else if (!type.equals("%")) {
        if (used == all.size()) {
          throw new Failure("there are too few values for the format");
        }
        value = all.get(used++);
      }
      m.appendReplacement(out, Matcher.quoteReplacement(directive(m, type.charAt(0), value)));
    }
    if (used < all.size() && !(values instanceof Map<?, ?>)) {
      throw new Failure("there are too many values for the format");
    }
    return m.appendTail(out).toString();
  }

  private static String directive(Matcher m, char type, Object value) {
    String flags = m.group("flags");
    String digits = m.group("digits");
    boolean number = "dixXof".indexOf(type) >= 0;
    String text =
        switch (type) {
          case '%' -> "%";
          case 's' -> cut(PythonText.str(value), digits);
          case 'r' -> cut(PythonText.repr(value), digits);
          case 'c' -> character(value);
          case 'd', 'i' -> whole(value, 10);
          case 'x' -> whole(value, 16);
          case 'X' -> PythonText.upper(whole(value, 16));
          case 'o' -> whole(value, 8);
          case 'f' -> fixed(value, digits == null ? 6 : digits.isEmpty() ? 0 : size(digits));
          default -> throw new Failure("the format's directive '%" + type + "' is not supported");
        };
    boolean minus = number && text.startsWith("-");
    String sign =
        minus
            ? "-"
            : number && flags.contains("+") ? "+" : number && flags.contains(" ") ? " " : "";
    String body = minus ? text.substring(1) : text;
    int missing = size(m.group("width")) - (int) Values.length(body) - sign.length();
    if (missing <= 0) {
      return sign + body;
    }
    if (flags.contains("-")) {
      return sign + body + " ".repeat(missing);
    }
    return number && flags.contains("0")
        ? sign + "0".repeat(missing) + body
        : " ".repeat(missing) + sign + body;
  }

  private static int size(String digits) {
    if (digits.length() > 5 || !digits.isEmpty() && Integer.parseInt(digits) > MAX_WIDTH) {
      throw new Failure(Failure.Kind.LIMIT, "a format's width of " + digits + " is too much");
    }
    return digits.isEmpty() ? 0 : Integer.parseInt(digits);
  }

  private static String cut(String s, String digits) {
    return digits == null || Values.length(s) <= size(digits)
        ? s
        : s.substring(0, s.offsetByCodePoints(0, size(digits)));
  }

  private static String character(Object v) {
    if (v instanceof Long n && n >= 0 && n <= Character.MAX_CODE_POINT) {
      return Character.toString((int) (long) n);
    }
    if (v instanceof String s && Values.length(s) == 1) {
      return s;
    }
    throw new Failure("the format's '%c' needs one character or its number");
  }

  private static String whole(Object v, int base) {
    Values.defined(v);
    if (!Numbers.isNumber(v)) {
      throw new Failure("the format needs a number, not a value of type " + Values.type(v));
    }
    return v instanceof Double d
        ? new BigDecimal(d).toBigInteger().toString(base)
        : Numbers.big(v).toString(base);
  }

  private static String fixed(Object v, int digits) {
    Values.defined(v);
    if (!Numbers.isNumber(v)) {
      throw new Failure("the format needs a number, not a value of type " + Values.type(v));
    }
    double d = Numbers.real(v);
    if (Double.isNaN(d) || Double.isInfinite(d)) {
      return Numbers.repr(d);
    }
    String text = new BigDecimal(d).setScale(digits, RoundingMode.HALF_EVEN).toPlainString();
    boolean negativeZero = (d < 0 || d == 0 && 1 / d < 0) && !text.startsWith("-");
    return negativeZero ? "-" + text : text;
  }

  /** {@code format.format(…)} with {@code {}}, {@code {0}} and {@code {name}} only. */
  static String braces(String format, Arguments args) {
    StringBuilder out = new StringBuilder();
    Matcher m = BRACES.matcher(format);
    int next = 0;
    while (m.find()) {
      String field = m.group("field");
      if (field == null) {
        if (m.group().length() == 1) {
          throw new Failure("format: a single '" + m.group() + "'; double it to print it");
        }
        m.appendReplacement(out, m.group().substring(1));
        continue;
      }
      if (!m.group("rest").isEmpty()) {
        throw new Failure("format: only {}, {0} and {name} are supported, not " + m.group());
      }
      m.appendReplacement(out, "");
      out.append(PythonText.str(argument(field.isEmpty() ? "" + next++ : field, args)));
    }
    return m.appendTail(out).toString();
  }

  private static Object argument(String field, Arguments args) {
    if (field.matches("\\d{1,4}")) {
      int i = Integer.parseInt(field);
      if (i >= args.positional().size()) {
        throw new Failure("format: there is no value " + i);
      }
      return args.positional().get(i);
    }
    Object value = args.named().get(field);
    if (value == null) {
      throw new Failure("format: the value '" + field + "' is missing");
    }
    return value;
  }
}
