package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Arguments.Bound;
import io.hydrahead.tokenizer.template.Values.Callable;
import io.hydrahead.tokenizer.template.Values.Tuple;
import io.hydrahead.tokenizer.template.Values.Undefined;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiPredicate;
import java.util.function.Predicate;

/** Jinja's tests: {@code value is name(argument)}. */
final class Tests {
  private static final Map<String, BiPredicate<Object, Arguments>> TESTS = new HashMap<>();

  static {
    alone("defined", v -> !(v instanceof Undefined));
    alone("undefined", v -> v instanceof Undefined);
    alone("none", v -> v == Values.NONE);
    alone("boolean", v -> v instanceof Boolean);
    alone("true", v -> Boolean.TRUE.equals(v));
    alone("false", v -> Boolean.FALSE.equals(v));
    alone("string", v -> v instanceof String);
    alone("number", Numbers::isNumber);
    alone("integer", v -> v instanceof Long || v instanceof BigInteger);
    alone("float", v -> v instanceof Double);
    alone("mapping", v -> v instanceof Map<?, ?>);
    alone("iterable", Values::iterable);
    alone("sequence", Tests::isSequence);
    alone("callable", v -> v instanceof Callable || v instanceof Undefined);
    alone("escaped", v -> false);
    alone("odd", v -> number(v, "odd").testBit(0));
    alone("even", v -> !number(v, "even").testBit(0));
    alone("lower", v -> isCase(v, "islower"));
    alone("upper", v -> isCase(v, "isupper"));
    alone("filter", v -> v instanceof String s && Filters.exists(s));
    alone("test", v -> v instanceof String s && exists(s));
    with("divisibleby", (v, n) -> Values.equal(Numbers.arithmetic("%", v, n), 0L));
    with("sameas", Tests::same);
    with("in", (v, in) -> Values.contains(in, v));
    for (String name : List.of("eq", "equalto", "==")) {
      with(name, Values::equal);
    }
    for (String name : List.of("ne", "!=")) {
      with(name, (a, b) -> !Values.equal(a, b));
    }
    for (String name : List.of("lt", "lessthan", "<")) {
      with(name, (a, b) -> Values.compare(a, b) < 0);
    }
    for (String name : List.of("le", "<=")) {
      with(name, (a, b) -> Values.compare(a, b) <= 0);
    }
    for (String name : List.of("gt", "greaterthan", ">")) {
      with(name, (a, b) -> Values.compare(a, b) > 0);
    }
    for (String name : List.of("ge", ">=")) {
      with(name, (a, b) -> Values.compare(a, b) >= 0);
    }
  }

  private Tests() {}

  private static void alone(String name, Predicate<Object> test) {
    TESTS.put(
        name,
        (v, args) -> {
          args.bind("the test '" + name + "'");
          return test.test(v);
        });
  }

  private static void with(String name, BiPredicate<Object, Object> test) {
    TESTS.put(
        name,
        (v, args) -> {
          Bound b = args.bind("the test '" + name + "'", "other");
          return test.test(v, b.get(0));
        });
  }

  static boolean exists(String name) {
    return TESTS.containsKey(name);
  }

  static Set<String> names() {
    return TESTS.keySet();
  }

  static boolean holds(String name, Object value, Arguments args) {
    BiPredicate<Object, Arguments> test = TESTS.get(name);
    if (test == null) {
      throw new Failure("there is no test '" + name + "'");
    }
    return test.test(value, args);
  }

  /** Whatever has a length and items by index: undefined, too, has the methods. */
  private static boolean isSequence(Object v) {
    return v instanceof String
        || v instanceof List<?>
        || v instanceof Tuple
        || v instanceof Map<?, ?>
        || v instanceof Undefined;
  }

  private static BigInteger number(Object v, String test) {
    if (v instanceof Double d && d == Math.rint(d)) {
      return new BigDecimal(d).toBigInteger();
    }
    Values.defined(v);
    if (!Numbers.isInteger(v)) {
      throw new Failure("the test '" + test + "' needs a whole number");
    }
    return Numbers.big(v);
  }

  private static boolean isCase(Object v, String method) {
    Callable c = StringMethods.find(PythonText.str(v), method, new Meter(Limits.DEFAULT));
    return Values.truth(c.call(Arguments.NONE));
  }

  /** Python's {@code is}: of numbers and strings, their values. */
  private static boolean same(Object a, Object b) {
    boolean byValue = a instanceof Long || a instanceof String || a instanceof Boolean;
    return a == b || byValue && a.equals(b);
  }
}
