package io.hydrahead.tokenizer.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Evaluated arguments of a call. */
record Arguments(List<Object> positional, Map<String, Object> named) {
  static final Arguments NONE = new Arguments(List.of(), Map.of());

  static Arguments of(Object... positional) {
    return new Arguments(List.of(positional), Map.of());
  }

  /** Without the first positional one. */
  Arguments rest() {
    return new Arguments(positional.subList(1, positional.size()), named);
  }

  /** With {@code name} = {@code value}. */
  Arguments with(String name, Object value) {
    Map<String, Object> more = new LinkedHashMap<>(named);
    more.put(name, value);
    return new Arguments(positional, more);
  }

  /**
   * Gives every parameter its argument.
   *
   * @param parameters names in order; those with a question mark may be left out
   * @throws Failure if one is missing, unknown or given twice
   */
  Bound bind(String function, String... parameters) {
    if (positional.size() > parameters.length) {
      throw new Failure(
          function
              + " takes at most "
              + parameters.length
              + " arguments, not "
              + positional.size());
    }
    Map<String, Object> left = new LinkedHashMap<>(named);
    List<Object> values = new ArrayList<>();
    for (int i = 0; i < parameters.length; i++) {
      boolean optional = parameters[i].endsWith("?");
      String name =
          optional ? parameters[i].substring(0, parameters[i].length() - 1) : parameters[i];
      Object byName = left.remove(name);
      if (i < positional.size() && byName != null) {
        throw new Failure(function + ": the argument '" + name + "' is given twice");
      }
      Object value = i < positional.size() ? positional.get(i) : byName;
      if (value == null && !optional) {
        throw new Failure(function + ": the argument '" + name + "' is missing");
      }
      values.add(value);
    }
    if (!left.isEmpty()) {
      throw new Failure(function + " has no argument '" + left.keySet().iterator().next() + "'");
    }
    return new Bound(function, parameters, values);
  }

  /** Arguments by place; an entry is null where an optional one was left out. */
  record Bound(String function, String[] parameters, List<Object> values) {
    boolean has(int i) {
      return values.get(i) != null;
    }

    /** Whether argument {@code i} is there and not {@code none}. */
    boolean given(int i) {
      return has(i) && values.get(i) != Values.NONE;
    }

    Object get(int i) {
      return values.get(i);
    }

    Object get(int i, Object fallback) {
      return has(i) ? values.get(i) : fallback;
    }

    String string(int i) {
      return Values.string(values.get(i), what(i));
    }

    String string(int i, String fallback) {
      return given(i) ? string(i) : fallback;
    }

    int integer(int i) {
      return Values.integer(values.get(i), what(i));
    }

    int integer(int i, int fallback) {
      return given(i) ? integer(i) : fallback;
    }

    boolean flag(int i, boolean fallback) {
      return has(i) ? Values.truth(values.get(i)) : fallback;
    }

    private String what(int i) {
      return "'" + parameters[i].replace("?", "") + "' of " + function;
    }
  }
}
