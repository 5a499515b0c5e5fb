package io.hydrahead.tokenizer.template;

import io.hydrahead.json.Excerpt;
import io.hydrahead.tokenizer.template.Arguments.Bound;
import io.hydrahead.tokenizer.template.Values.Callable;
import io.hydrahead.tokenizer.template.Values.DictView;
import io.hydrahead.tokenizer.template.Values.Namespace;
import io.hydrahead.tokenizer.template.Values.Tuple;
import io.hydrahead.tokenizer.template.Values.Undefined;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What {@code value.name} and {@code value[key]} find. Methods that change a list or dictionary are
 * refused, as in transformers' sandbox.
 */
final class Lookup {
  private static final Set<String> CHANGE_DICT =
      Set.of("clear", "pop", "popitem", "setdefault", "update", "fromkeys");
  private static final Set<String> CHANGE_LIST =
      Set.of("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort");

  private final Meter meter;

  Lookup(Meter meter) {
    this.meter = meter;
  }

  Meter meter() {
    return meter;
  }

  /** An attribute, and no item: what {@code attr} finds. */
  Object own(Object of, String name) {
    Values.defined(of);
    Object found = member(of, name);
    return found == null ? undefined(of, name) : found;
  }

  /** An attribute, then an item, then undefined. */
  Object attribute(Object of, String name) {
    Values.defined(of);
    Object found = member(of, name);
    if (found == null && of instanceof Map<?, ?> m) {
      found = m.get(name);
    }
    return found == null ? undefined(of, name) : found;
  }

  /** An item, then an attribute where the key is a name, then undefined. */
  Object item(Object of, Object key) {
    Values.defined(of);
    Object found =
        switch (of) {
          case Map<?, ?> m when !(key instanceof List<?> || key instanceof Map<?, ?>) ->
              m.get(Values.key(key));
          case String _, List<?> _, Tuple _ when Numbers.isInteger(key) ->
              index(key).flatMap(i -> Sequences.item(of, i)).orElse(null);
          default -> null;
        };
    if (found == null && key instanceof String name) {
      found = member(of, name);
    }
    return found == null ? undefined(of, PythonText.str(key)) : found;
  }

  private static Optional<Long> index(Object key) {
    var n = Numbers.big(key);
    return n.bitLength() < 32 ? Optional.of(n.longValue()) : Optional.empty();
  }

  private static Undefined undefined(Object of, String name) {
    return new Undefined(
        "a value of type " + Values.type(of) + " has no '" + Excerpt.of(name) + "'");
  }

  /** What Python's {@code getattr} would find, or null. */
  private Object member(Object of, String name) {
    return switch (of) {
      case String s -> StringMethods.find(s, name, meter);
      case Map<?, ?> m -> method(Values.cast(m), name);
      case List<?> l -> method(Values.cast(l), name, CHANGE_LIST);
      case Tuple t -> method(t.items(), name, Set.of());
      case Namespace n -> n.fields().get(name);
      case Loop l -> l.field(name);
      default -> null;
    };
  }

  private Callable method(Map<Object, Object> map, String name) {
    if (CHANGE_DICT.contains(name)) {
      return changing(name);
    }
    return switch (name) {
      case "get" ->
          args -> {
            Bound b = args.bind("get", "key", "default?");
            Object found = map.get(Values.key(b.get(0)));
            return found == null ? b.get(1, Values.NONE) : found;
          };
      case "keys" -> args -> view(args, "keys", map);
      case "values" -> args -> view(args, "values", map);
      case "items" -> args -> view(args, "items", map);
      case "copy" ->
          args -> {
            args.bind("copy");
            meter.size(map.size());
            return new LinkedHashMap<>(map);
          };
      default -> null;
    };
  }

  private DictView view(Arguments args, String method, Map<Object, Object> map) {
    args.bind(method);
    meter.size(map.size());
    return new DictView(
        method,
        switch (method) {
          case "keys" -> new ArrayList<>(map.keySet());
          case "values" -> new ArrayList<>(map.values());
          default -> pairs(map);
        });
  }

  /** Keys and values as tuples. */
  static List<Object> pairs(Map<Object, Object> map) {
    List<Object> out = new ArrayList<>();
    map.forEach((k, v) -> out.add(new Tuple(List.of(k, v))));
    return out;
  }

  private Callable method(List<Object> items, String name, Set<String> changing) {
    if (changing.contains(name)) {
      return changing(name);
    }
    return switch (name) {
      case "index" ->
          args -> {
            Object wanted = args.bind("index", "value").get(0);
            for (int i = 0; i < items.size(); i++) {
              if (Values.equal(items.get(i), wanted)) {
                return (long) i;
              }
            }
            throw new Failure("index: the value is not in the list");
          };
      case "count" ->
          args -> {
            Object wanted = args.bind("count", "value").get(0);
            return items.stream().filter(i -> Values.equal(i, wanted)).count();
          };
      case "copy" ->
          changing.isEmpty()
              ? null
              : args -> {
                args.bind("copy");
                meter.size(items.size());
                return new ArrayList<>(items);
              };
      default -> null;
    };
  }

  private static Callable changing(String name) {
    return args -> {
      throw new Failure("'" + name + "' would change a value, which a template may not");
    };
  }
}
