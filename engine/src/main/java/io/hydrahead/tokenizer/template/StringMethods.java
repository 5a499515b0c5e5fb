package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Arguments.Bound;
import io.hydrahead.tokenizer.template.Values.Callable;
import io.hydrahead.tokenizer.template.Values.Tuple;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntPredicate;

/** Methods of Python's {@code str}. */
final class StringMethods {
  @FunctionalInterface
  private interface Method {
    Object call(String self, Arguments args, Meter meter);
  }

  private static final Map<String, Method> METHODS =
      Map.ofEntries(
          plain("upper", PythonText::upper),
          plain("lower", PythonText::lower),
          plain("casefold", s -> PythonText.lower(PythonText.upper(s))),
          plain("capitalize", PythonText::capitalize),
          plain("title", PythonText::title),
          plain("isspace", s -> !s.isEmpty() && PythonText.isSpace(s, 0, s.length())),
          plain("isascii", s -> s.chars().allMatch(c -> c < 128)),
          plain("isalpha", s -> every(s, Character::isLetter)),
          plain("isalnum", s -> every(s, c -> Character.isLetter(c) || isNumeric(c))),
          plain("isdigit", s -> every(s, Character::isDigit)),
          plain("isdecimal", s -> every(s, Character::isDigit)),
          plain("isnumeric", s -> every(s, StringMethods::isNumeric)),
          plain("isprintable", s -> s.codePoints().allMatch(PythonText::printable)),
          plain("islower", s -> cased(s, Character::isUpperCase)),
          plain("isupper", s -> cased(s, Character::isLowerCase)),
          Map.entry("strip", (s, a, m) -> strip(s, a, "strip", true, true)),
          Map.entry("lstrip", (s, a, m) -> strip(s, a, "lstrip", true, false)),
          Map.entry("rstrip", (s, a, m) -> strip(s, a, "rstrip", false, true)),
          Map.entry("startswith", (s, a, m) -> affix(s, a, "startswith", true)),
          Map.entry("endswith", (s, a, m) -> affix(s, a, "endswith", false)),
          Map.entry("removeprefix", (s, a, m) -> removePrefix(s, a)),
          Map.entry("removesuffix", (s, a, m) -> removeSuffix(s, a)),
          Map.entry("replace", StringMethods::replace),
          Map.entry("split", (s, a, m) -> split(s, a, false)),
          Map.entry("rsplit", (s, a, m) -> split(s, a, true)),
          Map.entry("splitlines", (s, a, m) -> lines(s, a)),
          Map.entry("partition", (s, a, m) -> partition(s, a, false)),
          Map.entry("rpartition", (s, a, m) -> partition(s, a, true)),
          Map.entry("join", StringMethods::join),
          Map.entry("find", (s, a, m) -> find(s, a, "find", false)),
          Map.entry("rfind", (s, a, m) -> find(s, a, "rfind", true)),
          Map.entry("index", (s, a, m) -> found(find(s, a, "index", false))),
          Map.entry("rindex", (s, a, m) -> found(find(s, a, "rindex", true))),
          Map.entry("count", (s, a, m) -> count(s, a)),
          Map.entry("zfill", StringMethods::zfill),
          Map.entry("ljust", (s, a, m) -> justify(s, a, m, "ljust")),
          Map.entry("rjust", (s, a, m) -> justify(s, a, m, "rjust")),
          Map.entry("center", (s, a, m) -> justify(s, a, m, "center")),
          Map.entry("format", (s, a, m) -> m.text(Formatting.braces(s, a))));

  /** Those of Python that are not here: looking one up fails, instead of finding nothing. */
  private static final Set<String> MISSING =
      Set.of(
          "encode",
          "expandtabs",
          "format_map",
          "isidentifier",
          "istitle",
          "maketrans",
          "swapcase",
          "translate");

  private StringMethods() {}

  private interface Plain {
    Object of(String self);
  }

  private static Map.Entry<String, Method> plain(String name, Plain f) {
    return Map.entry(
        name,
        (self, args, meter) -> {
          args.bind(name);
          return f.of(self);
        });
  }

  /** The method {@code name} of {@code self}, or null. */
  static Callable find(String self, String name, Meter meter) {
    Method m = METHODS.get(name);
    if (m == null && MISSING.contains(name)) {
      throw new Failure("the string method '" + name + "' is not supported");
    }
    return m == null
        ? null
        : args -> {
          meter.size(self.length());
          return m.call(self, args, meter);
        };
  }

  private static boolean every(String s, IntPredicate p) {
    return !s.isEmpty() && s.codePoints().allMatch(p);
  }

  private static boolean isNumeric(int c) {
    int type = Character.getType(c);
    return Character.isDigit(c)
        || type == Character.LETTER_NUMBER
        || type == Character.OTHER_NUMBER;
  }

  private static boolean cased(String s, IntPredicate wrong) {
    return s.codePoints().noneMatch(wrong)
        && s.codePoints().anyMatch(c -> Character.isUpperCase(c) || Character.isLowerCase(c));
  }

  private static Object strip(String s, Arguments args, String name, boolean left, boolean right) {
    Bound b = args.bind(name, "chars?");
    return b.given(0)
        ? PythonText.strip(s, b.string(0), left, right)
        : PythonText.strip(s, left, right);
  }

  private static Object affix(String s, Arguments args, String name, boolean start) {
    Bound b = args.bind(name, "affix", "start?", "end?");
    String part =
        b.has(1) ? (String) Sequences.slice(s, b.get(1), b.get(2, Values.NONE), Values.NONE) : s;
    List<Object> all = b.get(0) instanceof Tuple t ? t.items() : List.of(b.get(0));
    for (Object affix : all) {
      String a = Values.string(affix, "the argument of " + name);
      if (start ? part.startsWith(a) : part.endsWith(a)) {
        return true;
      }
    }
    return false;
  }

  private static Object removePrefix(String s, Arguments args) {
    String prefix = args.bind("removeprefix", "prefix").string(0);
    return s.startsWith(prefix) ? s.substring(prefix.length()) : s;
  }

  private static Object removeSuffix(String s, Arguments args) {
    String suffix = args.bind("removesuffix", "suffix").string(0);
    return s.endsWith(suffix) ? s.substring(0, s.length() - suffix.length()) : s;
  }

  private static Object replace(String s, Arguments args, Meter meter) {
    Bound b = args.bind("replace", "old", "new", "count?");
    return replace(s, b.string(0), b.string(1), b.integer(2, -1), meter);
  }

  /** {@code s} with {@code from} replaced, at most {@code count} times unless that is negative. */
  static String replace(String s, String from, String to, int count, Meter meter) {
    StringBuilder out = new StringBuilder();
    int done = 0;
    int at = 0;
    for (int n = 0; count < 0 || n < count; n++) {
      int hit = from.isEmpty() ? at : s.indexOf(from, at);
      if (hit < 0 || hit > s.length()) {
        break;
      }
      out.append(s, done, hit).append(to);
      meter.output(out.length());
      done = hit + from.length();
      at = from.isEmpty() ? next(s, hit) : done;
    }
    out.append(s, Math.min(done, s.length()), s.length());
    return meter.text(out.toString());
  }

  private static int next(String s, int at) {
    return at < s.length() ? at + Character.charCount(s.codePointAt(at)) : at + 1;
  }

  private static Object split(String s, Arguments args, boolean fromRight) {
    Bound b = args.bind(fromRight ? "rsplit" : "split", "sep?", "maxsplit?");
    int most = b.integer(1, -1);
    int limit = most < 0 ? Integer.MAX_VALUE : most;
    if (!b.given(0)) {
      return fromRight ? splitSpaceRight(s, limit) : splitSpace(s, limit);
    }
    String separator = b.string(0);
    if (separator.isEmpty()) {
      throw new Failure("split: the separator is empty");
    }
    return fromRight ? splitRight(s, separator, limit) : splitLeft(s, separator, limit);
  }

  private static List<Object> splitLeft(String s, String separator, int limit) {
    List<Object> out = new ArrayList<>();
    int from = 0;
    for (int n = 0; n < limit; n++) {
      int hit = s.indexOf(separator, from);
      if (hit < 0) {
        break;
      }
      out.add(s.substring(from, hit));
      from = hit + separator.length();
    }
    out.add(s.substring(from));
    return out;
  }

  private static List<Object> splitRight(String s, String separator, int limit) {
    List<Object> out = new ArrayList<>();
    int to = s.length();
    for (int n = 0; n < limit; n++) {
      int hit = s.lastIndexOf(separator, to - separator.length());
      if (hit < 0 || to < separator.length()) {
        break;
      }
      out.add(s.substring(hit + separator.length(), to));
      to = hit;
    }
    out.add(s.substring(0, to));
    return new ArrayList<>(out.reversed());
  }

  private static List<Object> splitSpace(String s, int limit) {
    List<Object> out = new ArrayList<>();
    int from = skipSpace(s, 0, 1);
    while (from < s.length()) {
      if (out.size() == limit) {
        out.add(s.substring(from));
        break;
      }
      int end = from;
      while (end < s.length() && !PythonText.isSpace(s.charAt(end))) {
        end++;
      }
      out.add(s.substring(from, end));
      from = skipSpace(s, end, 1);
    }
    return out;
  }

  private static List<Object> splitSpaceRight(String s, int limit) {
    List<Object> out = new ArrayList<>();
    int last = skipSpace(s, s.length() - 1, -1);
    while (last >= 0) {
      if (out.size() == limit) {
        out.add(s.substring(0, last + 1));
        break;
      }
      int start = last;
      while (start >= 0 && !PythonText.isSpace(s.charAt(start))) {
        start--;
      }
      out.add(s.substring(start + 1, last + 1));
      last = skipSpace(s, start, -1);
    }
    return new ArrayList<>(out.reversed());
  }

  private static int skipSpace(String s, int from, int step) {
    int i = from;
    while (i >= 0 && i < s.length() && PythonText.isSpace(s.charAt(i))) {
      i += step;
    }
    return i;
  }

  private static Object lines(String s, Arguments args) {
    return PythonText.lines(s, args.bind("splitlines", "keepends?").flag(0, false));
  }

  private static Object partition(String s, Arguments args, boolean last) {
    String separator = args.bind("partition", "sep").string(0);
    if (separator.isEmpty()) {
      throw new Failure("partition: the separator is empty");
    }
    int hit = last ? s.lastIndexOf(separator) : s.indexOf(separator);
    if (hit < 0) {
      return new Tuple(last ? List.of("", "", s) : List.of(s, "", ""));
    }
    return new Tuple(
        List.of(s.substring(0, hit), separator, s.substring(hit + separator.length())));
  }

  private static Object join(String s, Arguments args, Meter meter) {
    StringBuilder out = new StringBuilder();
    boolean first = true;
    for (Object item : Values.items(args.bind("join", "iterable").get(0))) {
      out.append(first ? "" : s).append(Values.string(item, "every item of join"));
      meter.output(out.length());
      first = false;
    }
    return meter.text(out.toString());
  }

  private static long find(String s, Arguments args, String name, boolean last) {
    Bound b = args.bind(name, "sub", "start?", "end?");
    String part =
        (String) Sequences.slice(s, b.get(1, Values.NONE), b.get(2, Values.NONE), Values.NONE);
    int hit = last ? part.lastIndexOf(b.string(0)) : part.indexOf(b.string(0));
    if (hit < 0) {
      return -1;
    }
    long n = Values.length(s);
    long start = b.given(1) ? b.integer(1) : 0;
    long offset = Math.clamp(start < 0 ? start + n : start, 0, n);
    return offset + part.codePointCount(0, hit);
  }

  private static Object found(long index) {
    if (index < 0) {
      throw new Failure("index: the text is not in the string");
    }
    return index;
  }

  private static Object count(String s, Arguments args) {
    Bound b = args.bind("count", "sub", "start?", "end?");
    String part =
        (String) Sequences.slice(s, b.get(1, Values.NONE), b.get(2, Values.NONE), Values.NONE);
    String sub = b.string(0);
    if (sub.isEmpty()) {
      return Values.length(part) + 1;
    }
    return (long) splitLeft(part, sub, Integer.MAX_VALUE).size() - 1;
  }

  private static Object zfill(String s, Arguments args, Meter meter) {
    int width = args.bind("zfill", "width").integer(0);
    int missing = width - (int) Values.length(s);
    if (missing <= 0) {
      return s;
    }
    meter.size(width);
    int sign = s.startsWith("+") || s.startsWith("-") ? 1 : 0;
    return s.substring(0, sign) + "0".repeat(missing) + s.substring(sign);
  }

  private static Object justify(String s, Arguments args, Meter meter, String name) {
    Bound b = args.bind(name, "width", "fillchar?");
    String fill = b.string(1, " ");
    if (fill.codePointCount(0, fill.length()) != 1) {
      throw new Failure(name + ": the filling must be one character");
    }
    return justify(s, b.integer(0), fill, name, meter);
  }

  static String justify(String s, int width, String fill, String name, Meter meter) {
    int missing = width - (int) Values.length(s);
    if (missing <= 0) {
      return s;
    }
    meter.size(width);
    int left =
        switch (name) {
          case "ljust" -> 0;
          case "rjust" -> missing;
          default -> missing / 2 + (missing & width & 1);
        };
    return fill.repeat(left) + s + fill.repeat(missing - left);
  }
}
