package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Values.Tuple;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Items and slices of lists, tuples and strings; of strings by code points. */
final class Sequences {
  private Sequences() {}

  /** {@code v[index]}, negative from the end; empty where there is none. */
  static Optional<Object> item(Object v, long index) {
    long n = Values.length(v);
    long i = index < 0 ? index + n : index;
    if (i < 0 || i >= n) {
      return Optional.empty();
    }
    return Optional.of(
        switch (v) {
          case List<?> l -> l.get((int) i);
          case Tuple t -> t.items().get((int) i);
          default -> {
            String s = (String) v;
            yield Character.toString(s.codePointAt(s.offsetByCodePoints(0, (int) i)));
          }
        });
  }

  /** {@code v[start:stop:step]}; bounds may be {@link Values#NONE}. */
  static Object slice(Object v, Object start, Object stop, Object step) {
    Values.defined(v);
    boolean sliced = v instanceof String || v instanceof List<?> || v instanceof Tuple;
    if (!sliced) {
      throw new Failure("a value of type " + Values.type(v) + " cannot be sliced");
    }
    int by = step == Values.NONE ? 1 : Values.integer(step, "a slice's step");
    if (by == 0) {
      throw new Failure("a slice's step cannot be 0");
    }
    int n = (int) Values.length(v);
    int from = bound(start, n, by < 0 ? n - 1 : 0, by);
    int to = bound(stop, n, by < 0 ? -1 : n, by);
    return switch (v) {
      case String s -> slice(s, n, from, to, by);
      case Tuple t -> new Tuple(pick(t.items(), from, to, by));
      default -> pick(Values.cast((List<?>) v), from, to, by);
    };
  }

  private static int bound(Object v, int n, int fallback, int step) {
    if (v == Values.NONE) {
      return fallback;
    }
    if (!Numbers.isInteger(v)) {
      Values.defined(v);
      throw new Failure("a slice's bounds must be whole numbers");
    }
    long i = Numbers.big(v).max(Numbers.big(-n - 1L)).min(Numbers.big(n + 1L)).longValue();
    i = i < 0 ? i + n : i;
    return step < 0 ? Math.clamp(i, -1, n - 1) : Math.clamp(i, 0, n);
  }

  private static List<Object> pick(List<Object> items, int from, int to, int step) {
    if (step == 1) {
      return from < to ? new ArrayList<>(items.subList(from, to)) : new ArrayList<>();
    }
    List<Object> out = new ArrayList<>();
    for (long i = from; step > 0 ? i < to : i > to; i += step) {
      out.add(items.get((int) i));
    }
    return out;
  }

  private static String slice(String s, int n, int from, int to, int step) {
    if (step == 1) {
      if (from >= to) {
        return "";
      }
      if (n == s.length()) {
        return s.substring(from, to);
      }
      int start = s.offsetByCodePoints(0, from);
      return s.substring(start, s.offsetByCodePoints(start, to - from));
    }
    int[] points = s.codePoints().toArray();
    StringBuilder out = new StringBuilder();
    for (long i = from; step > 0 ? i < to : i > to; i += step) {
      out.appendCodePoint(points[(int) i]);
    }
    return out.toString();
  }
}
