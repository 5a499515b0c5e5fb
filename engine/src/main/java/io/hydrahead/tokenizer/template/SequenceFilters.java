package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Arguments.Bound;
import io.hydrahead.tokenizer.template.Filters.Filter;
import io.hydrahead.tokenizer.template.Values.Lazy;
import io.hydrahead.tokenizer.template.Values.Tuple;
import io.hydrahead.tokenizer.template.Values.Undefined;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/** Filters of lists, dictionaries and whatever can be looped over. */
final class SequenceFilters {
  static final Map<String, Filter> FILTERS = new HashMap<>();

  static {
    FILTERS.put("length", (v, args, l) -> Values.length(v));
    FILTERS.put("count", (v, args, l) -> Values.length(v));
    FILTERS.put("list", (v, args, l) -> new ArrayList<>(items(v, l)));
    FILTERS.put("first", (v, args, l) -> end(items(v, l), true));
    FILTERS.put("last", (v, args, l) -> end(items(reversible(v), l), false));
    FILTERS.put("join", SequenceFilters::join);
    FILTERS.put("items", (v, args, l) -> pairs(v));
    FILTERS.put("dictsort", SequenceFilters::dictSort);
    FILTERS.put("sort", SequenceFilters::sort);
    FILTERS.put("unique", SequenceFilters::unique);
    FILTERS.put("groupby", SequenceFilters::groupBy);
    FILTERS.put("min", (v, args, l) -> extreme(v, args, l, "min"));
    FILTERS.put("max", (v, args, l) -> extreme(v, args, l, "max"));
    FILTERS.put("sum", SequenceFilters::sum);
    FILTERS.put("reverse", (v, args, l) -> reverse(v, l));
    FILTERS.put("batch", SequenceFilters::batch);
    FILTERS.put("slice", SequenceFilters::slice);
    FILTERS.put("map", SequenceFilters::map);
    FILTERS.put("select", (v, args, l) -> select(v, args, l, false, true));
    FILTERS.put("reject", (v, args, l) -> select(v, args, l, false, false));
    FILTERS.put("selectattr", (v, args, l) -> select(v, args, l, true, true));
    FILTERS.put("rejectattr", (v, args, l) -> select(v, args, l, true, false));
  }

  private SequenceFilters() {}

  private static List<Object> items(Object v, Lookup lookup) {
    List<Object> items = Values.items(v);
    lookup.meter().size(items.size());
    return items;
  }

  private static Object reversible(Object v) {
    if (v instanceof Lazy) {
      throw new Failure("a generator has no end to begin at; add |list before");
    }
    return v;
  }

  private static Object end(List<Object> items, boolean first) {
    if (items.isEmpty()) {
      return new Undefined("the sequence is empty");
    }
    return first ? items.getFirst() : items.getLast();
  }

  private static Object join(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("join", "d?", "attribute?");
    String separator = PythonText.str(b.get(0, ""));
    UnaryOperator<Object> part = attribute(b, 1, lookup);
    StringBuilder out = new StringBuilder();
    boolean first = true;
    for (Object item : items(v, lookup)) {
      out.append(first ? "" : separator).append(PythonText.str(part.apply(item)));
      lookup.meter().output(out.length());
      first = false;
    }
    return lookup.meter().text(out.toString());
  }

  private static Object pairs(Object v) {
    return switch (v) {
      case Undefined _ -> new Lazy(List.of().iterator());
      case Map<?, ?> m -> new Lazy(Lookup.pairs(Values.cast(m)).iterator());
      default ->
          throw new Failure("items needs a dictionary, not a value of type " + Values.type(v));
    };
  }

  /** Reads the attribute that argument {@code i} names, such as {@code "function.name"}. */
  private static UnaryOperator<Object> attribute(Bound b, int i, Lookup lookup) {
    return b.given(i) ? path(b.get(i), Optional.empty(), lookup) : UnaryOperator.identity();
  }

  private static UnaryOperator<Object> path(
      Object attribute, Optional<Object> fallback, Lookup lookup) {
    List<Object> parts = new ArrayList<>();
    if (attribute instanceof String s) {
      for (String part : s.split("\\.", -1)) {
        parts.add(part.matches("\\d{1,9}") ? (Object) Long.valueOf(part) : part);
      }
    } else {
      parts.add(attribute);
    }
    return item -> {
      Object v = item;
      for (Object part : parts) {
        v = lookup.item(v, part);
        v = v instanceof Undefined && fallback.isPresent() ? fallback.get() : v;
      }
      return v;
    };
  }

  private static UnaryOperator<Object> folding(boolean caseSensitive) {
    return v -> !caseSensitive && v instanceof String s ? PythonText.lower(s) : v;
  }

  private static Object dictSort(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("dictsort", "case_sensitive?", "by?", "reverse?");
    if (!(v instanceof Map<?, ?> m)) {
      throw new Failure("dictsort needs a dictionary, not a value of type " + Values.type(v));
    }
    int part =
        switch (b.string(1, "key")) {
          case "key" -> 0;
          case "value" -> 1;
          default -> throw new Failure("dictsort: by is \"key\" or \"value\"");
        };
    UnaryOperator<Object> fold = folding(b.flag(0, false));
    return sorted(
        Lookup.pairs(Values.cast(m)),
        pair -> fold.apply(((Tuple) pair).items().get(part)),
        b.flag(2, false),
        lookup);
  }

  private static List<Object> sorted(
      List<Object> items, Function<Object, Object> key, boolean reverse, Lookup lookup) {
    record Keyed(Object key, Object item) {}
    lookup.meter().size(16L * items.size());
    Comparator<Keyed> order = (a, b) -> Values.compare(a.key(), b.key());
    List<Keyed> keyed = new ArrayList<>();
    items.forEach(i -> keyed.add(new Keyed(key.apply(i), i)));
    keyed.sort(reverse ? order.reversed() : order);
    return new ArrayList<>(keyed.stream().map(Keyed::item).toList());
  }

  private static Object sort(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("sort", "reverse?", "case_sensitive?", "attribute?");
    UnaryOperator<Object> fold = folding(b.flag(1, false));
    List<UnaryOperator<Object>> paths = new ArrayList<>();
    if (b.given(2) && b.get(2) instanceof String s) {
      for (String part : s.split(",", -1)) {
        paths.add(path(part, Optional.empty(), lookup));
      }
    } else {
      paths.add(attribute(b, 2, lookup));
    }
    return sorted(
        items(v, lookup),
        item -> new Tuple(paths.stream().map(p -> fold.apply(p.apply(item))).toList()),
        b.flag(0, false),
        lookup);
  }

  private static Object unique(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("unique", "case_sensitive?", "attribute?");
    UnaryOperator<Object> fold = folding(b.flag(0, false));
    UnaryOperator<Object> part = attribute(b, 1, lookup);
    Map<Object, Object> seen = new HashMap<>();
    List<Object> out = new ArrayList<>();
    for (Object item : items(v, lookup)) {
      if (seen.put(Values.key(fold.apply(part.apply(item))), item) == null) {
        out.add(item);
      }
    }
    return new Lazy(out.iterator());
  }

  private static Object groupBy(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("groupby", "attribute", "default?", "case_sensitive?");
    Optional<Object> fallback = b.given(1) ? Optional.of(b.get(1)) : Optional.empty();
    UnaryOperator<Object> part = path(b.get(0), fallback, lookup);
    UnaryOperator<Object> fold = folding(b.flag(2, false));
    List<Object> groups = new ArrayList<>();
    List<Object> group = new ArrayList<>();
    Optional<Object> key = Optional.empty();
    for (Object item : sorted(items(v, lookup), i -> fold.apply(part.apply(i)), false, lookup)) {
      Object k = fold.apply(part.apply(item));
      if (key.isEmpty() || !Values.equal(key.get(), k)) {
        group = new ArrayList<>();
        groups.add(new Tuple(List.of(part.apply(item), group)));
        key = Optional.of(k);
      }
      group.add(item);
    }
    return groups;
  }

  private static Object extreme(Object v, Arguments args, Lookup lookup, String name) {
    Bound b = args.bind(name, "case_sensitive?", "attribute?");
    UnaryOperator<Object> fold = folding(b.flag(0, false));
    UnaryOperator<Object> part = attribute(b, 1, lookup);
    Object best = new Undefined("the sequence is empty");
    boolean first = true;
    for (Object item : items(v, lookup)) {
      int order =
          first ? 0 : Values.compare(fold.apply(part.apply(item)), fold.apply(part.apply(best)));
      if (first || (name.equals("min") ? order < 0 : order > 0)) {
        best = item;
      }
      first = false;
    }
    return best;
  }

  private static Object sum(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("sum", "attribute?", "start?");
    UnaryOperator<Object> part = attribute(b, 0, lookup);
    Object total = b.get(1, 0L);
    if (total instanceof String) {
      throw new Failure("sum adds no strings; use join");
    }
    for (Object item : items(v, lookup)) {
      total = Evaluator.add(total, part.apply(item), lookup.meter());
    }
    return total;
  }

  private static Object reverse(Object v, Lookup lookup) {
    if (v instanceof String) {
      return Sequences.slice(v, Values.NONE, Values.NONE, -1L);
    }
    List<Object> reversed = new ArrayList<>(items(v, lookup).reversed());
    return v instanceof Lazy ? reversed : new Lazy(reversed.iterator());
  }

  private static Object batch(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("batch", "linecount", "fill_with?");
    int size = b.integer(0);
    if (size < 1) {
      throw new Failure("batch: the number of items must be at least 1");
    }
    lookup.meter().size(b.given(1) ? size : 0);
    List<Object> out = new ArrayList<>();
    List<Object> row = new ArrayList<>();
    for (Object item : items(v, lookup)) {
      if (row.size() == size) {
        out.add(row);
        row = new ArrayList<>();
      }
      row.add(item);
    }
    if (!row.isEmpty()) {
      while (b.given(1) && row.size() < size) {
        row.add(b.get(1));
      }
      out.add(row);
    }
    return new Lazy(out.iterator());
  }

  private static Object slice(Object v, Arguments args, Lookup lookup) {
    Bound b = args.bind("slice", "slices", "fill_with?");
    int slices = b.integer(0);
    if (slices < 1) {
      throw new Failure("slice: the number of slices must be at least 1");
    }
    lookup.meter().size(slices);
    List<Object> items = items(v, lookup);
    int each = items.size() / slices;
    int longer = items.size() % slices;
    List<Object> out = new ArrayList<>();
    int from = 0;
    for (int i = 0; i < slices; i++) {
      int to = from + each + (i < longer ? 1 : 0);
      List<Object> row = new ArrayList<>(items.subList(from, to));
      if (b.given(1) && i >= longer) {
        row.add(b.get(1));
      }
      out.add(row);
      from = to;
    }
    return new Lazy(out.iterator());
  }

  private static Object map(Object v, Arguments args, Lookup lookup) {
    if (!Values.truth(v)) {
      return new Lazy(List.of().iterator());
    }
    UnaryOperator<Object> each;
    if (args.positional().isEmpty() && args.named().containsKey("attribute")) {
      Bound b = args.bind("map", "attribute", "default?");
      Optional<Object> fallback = b.given(1) ? Optional.of(b.get(1)) : Optional.empty();
      each = path(b.get(0), fallback, lookup);
    } else if (args.positional().isEmpty()) {
      throw new Failure("map needs a filter's name or attribute=…");
    } else {
      String filter = Values.string(args.positional().getFirst(), "map's filter");
      Arguments rest = args.rest();
      each = item -> Filters.apply(filter, item, rest, lookup);
    }
    return new Lazy(items(v, lookup).stream().map(counted(each, lookup)).iterator());
  }

  private static UnaryOperator<Object> counted(UnaryOperator<Object> each, Lookup lookup) {
    return item -> {
      lookup.meter().step();
      return each.apply(item);
    };
  }

  private static Object select(
      Object v, Arguments args, Lookup lookup, boolean byAttribute, boolean wanted) {
    if (!Values.truth(v)) {
      return new Lazy(List.of().iterator());
    }
    Arguments left = args;
    UnaryOperator<Object> part = UnaryOperator.identity();
    if (byAttribute) {
      if (args.positional().isEmpty()) {
        throw new Failure("the attribute's name is missing");
      }
      part = path(args.positional().getFirst(), Optional.empty(), lookup);
      left = args.rest();
    }
    Predicate<Object> test = Values::truth;
    if (!left.positional().isEmpty()) {
      String name = Values.string(left.positional().getFirst(), "the test's name");
      Arguments rest = left.rest();
      test = item -> Tests.holds(name, item, rest);
    }
    UnaryOperator<Object> value = counted(part, lookup);
    Predicate<Object> holds = test;
    return new Lazy(
        items(v, lookup).stream().filter(i -> holds.test(value.apply(i)) == wanted).iterator());
  }
}
