package io.hydrahead.tokenizer.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/**
 * The values of a template and what Python says about them. A value is never null: {@link #NONE},
 * {@link Undefined}, {@code Boolean}, {@code Long} or {@code BigInteger}, {@code Double}, {@code
 * String}, {@code List} (a list), {@link Tuple}, {@code Map} (a dictionary), {@link DictView},
 * {@link Lazy}, {@link Namespace} or {@link Callable}.
 */
final class Values {
  /** Python's {@code None}. */
  static final Object NONE = new Object();

  private Values() {}

  /** What is not there. It prints as nothing and cannot be used for more. */
  record Undefined(String why) {}

  record Tuple(List<Object> items) {}

  /** What {@code keys()}, {@code values()} and {@code items()} of a dictionary give. */
  record DictView(String method, List<Object> items) {}

  /** A Python generator: to be run through once, without a length. */
  record Lazy(Iterator<Object> items) {}

  /** What {@code namespace(…)} makes: fields that inner scopes can set. */
  record Namespace(Map<String, Object> fields) {}

  /** A macro, a method of a value or a global function. */
  @FunctionalInterface
  interface Callable {
    Object call(Arguments args);
  }

  /** The value of JSON from outside. */
  static Object of(JsonNode node) {
    return switch (node.getNodeType()) {
      case STRING -> node.stringValue();
      case BOOLEAN -> node.booleanValue();
      case NUMBER ->
          node.isIntegralNumber() ? Numbers.normal(node.bigIntegerValue()) : node.doubleValue();
      case ARRAY -> {
        List<Object> list = new ArrayList<>(node.size());
        node.forEach(item -> list.add(of(item)));
        yield list;
      }
      case OBJECT -> {
        Map<Object, Object> map = new LinkedHashMap<>();
        node.properties().forEach(p -> map.put(p.getKey(), of(p.getValue())));
        yield map;
      }
      default -> NONE;
    };
  }

  static boolean truth(Object v) {
    return switch (v) {
      case Boolean b -> b;
      case String s -> !s.isEmpty();
      case Long n -> n != 0;
      case Double d -> d != 0;
      case List<?> l -> !l.isEmpty();
      case Map<?, ?> m -> !m.isEmpty();
      case Tuple t -> !t.items().isEmpty();
      case DictView d -> !d.items().isEmpty();
      case Undefined _ -> false;
      default -> v != NONE;
    };
  }

  /** Python's name of the value's type. */
  static String type(Object v) {
    return switch (v) {
      case Boolean _ -> "bool";
      case String _ -> "str";
      case Long _, BigInteger _ -> "int";
      case Double _ -> "float";
      case List<?> _ -> "list";
      case Map<?, ?> _ -> "dict";
      case Tuple _ -> "tuple";
      case DictView d -> "dict_" + d.method();
      case Lazy _ -> "generator";
      case Undefined _ -> "undefined";
      case Namespace _ -> "namespace";
      case Callable _ -> "function";
      default -> "none";
    };
  }

  /** Fails with the reason why {@code v} is undefined, if it is. */
  static Object defined(Object v) {
    if (v instanceof Undefined u) {
      throw new Failure(u.why());
    }
    return v;
  }

  static boolean iterable(Object v) {
    return switch (v) {
      case String _, List<?> _, Map<?, ?> _, Tuple _, DictView _, Lazy _, Undefined _ -> true;
      default -> false;
    };
  }

  /** What a loop over {@code v} sees; uses up a generator. */
  static List<Object> items(Object v) {
    return switch (v) {
      case List<?> l -> cast(l);
      case Tuple t -> t.items();
      case DictView d -> d.items();
      case Map<?, ?> m -> new ArrayList<>(m.keySet());
      case Undefined _ -> List.of();
      case String s -> s.codePoints().<Object>mapToObj(Character::toString).toList();
      case Lazy g -> {
        List<Object> all = new ArrayList<>();
        g.items().forEachRemaining(all::add);
        yield all;
      }
      default -> throw new Failure("a value of type " + type(v) + " cannot be looped over");
    };
  }

  @SuppressWarnings("unchecked")
  static List<Object> cast(List<?> list) {
    return (List<Object>) list;
  }

  @SuppressWarnings("unchecked")
  static Map<Object, Object> cast(Map<?, ?> map) {
    return (Map<Object, Object>) map;
  }

  static long length(Object v) {
    return switch (v) {
      case String s -> s.codePointCount(0, s.length());
      case List<?> l -> l.size();
      case Tuple t -> t.items().size();
      case Map<?, ?> m -> m.size();
      case DictView d -> d.items().size();
      case Undefined _ -> 0;
      default -> throw new Failure("a value of type " + type(v) + " has no length");
    };
  }

  /** Python's {@code ==}. */
  static boolean equal(Object a, Object b) {
    if (a == b) {
      return true;
    }
    if (Numbers.isNumber(a) && Numbers.isNumber(b)) {
      return Numbers.compare(a, b) == 0;
    }
    return switch (a) {
      case String s -> s.equals(b);
      case List<?> l -> b instanceof List<?> m && equalItems(cast(l), cast(m));
      case Tuple t -> b instanceof Tuple u && equalItems(t.items(), u.items());
      case Map<?, ?> m -> b instanceof Map<?, ?> n && equalMaps(cast(m), cast(n));
      case Undefined _ -> b instanceof Undefined;
      case DictView d -> b instanceof DictView e && equalItems(d.items(), e.items());
      default -> false;
    };
  }

  private static boolean equalItems(List<Object> a, List<Object> b) {
    if (a.size() != b.size()) {
      return false;
    }
    for (int i = 0; i < a.size(); i++) {
      if (!equal(a.get(i), b.get(i))) {
        return false;
      }
    }
    return true;
  }

  private static boolean equalMaps(Map<Object, Object> a, Map<Object, Object> b) {
    return a.size() == b.size()
        && a.entrySet().stream()
            .allMatch(e -> b.containsKey(e.getKey()) && equal(e.getValue(), b.get(e.getKey())));
  }

  /** Python's order of numbers, of strings, of lists and of tuples; others have none. */
  static int compare(Object a, Object b) {
    defined(a);
    defined(b);
    if (Numbers.isNumber(a) && Numbers.isNumber(b)) {
      return Numbers.compare(a, b);
    }
    if (a instanceof String s && b instanceof String t) {
      return PythonText.compare(s, t);
    }
    if (a instanceof List<?> l && b instanceof List<?> m) {
      return compareItems(cast(l), cast(m));
    }
    if (a instanceof Tuple t && b instanceof Tuple u) {
      return compareItems(t.items(), u.items());
    }
    throw new Failure("values of type " + type(a) + " and " + type(b) + " have no order");
  }

  private static int compareItems(List<Object> a, List<Object> b) {
    for (int i = 0; i < Math.min(a.size(), b.size()); i++) {
      if (!equal(a.get(i), b.get(i))) {
        return compare(a.get(i), b.get(i));
      }
    }
    return Integer.compare(a.size(), b.size());
  }

  /** Python's {@code item in container}. */
  static boolean contains(Object container, Object item) {
    return switch (container) {
      case String s -> {
        if (!(item instanceof String part)) {
          throw new Failure("only a string can be in a string, not a value of type " + type(item));
        }
        yield s.contains(part);
      }
      case Map<?, ?> m -> m.containsKey(key(item));
      default -> items(container).stream().anyMatch(i -> equal(i, item));
    };
  }

  /** {@code v} as a dictionary's key. */
  static Object key(Object v) {
    return switch (v) {
      case List<?> _, Map<?, ?> _, DictView _ ->
          throw new Failure("a value of type " + type(v) + " cannot be a key");
      case Double d when d == Math.rint(d) && Math.abs(d) < 1L << 53 -> (long) (double) d;
      default -> v;
    };
  }

  static String string(Object v, String what) {
    if (v instanceof String s) {
      return s;
    }
    defined(v);
    throw new Failure(what + " must be a string, not a value of type " + type(v));
  }

  /** A whole number that fits an int. */
  static int integer(Object v, String what) {
    if (v instanceof Boolean b) {
      return b ? 1 : 0;
    }
    if (v instanceof Long n && n == n.intValue()) {
      return n.intValue();
    }
    defined(v);
    throw new Failure(what + " must be a whole number, not " + show(v));
  }

  /** A value in an error: short, and what it holds only where that is a number. */
  private static String show(Object v) {
    return Numbers.isNumber(v) ? PythonText.str(v) : "a value of type " + type(v);
  }
}
