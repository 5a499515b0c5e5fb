package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Arguments.Bound;
import io.hydrahead.tokenizer.template.Values.Callable;
import io.hydrahead.tokenizer.template.Values.Namespace;
import java.time.Clock;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Functions that every template finds: Jinja's own and the two of transformers. */
final class Globals {
  /** That of Jinja's sandbox. */
  private static final int MAX_RANGE = 100_000;

  private Globals() {}

  static void define(Scope scope, Clock clock, Meter meter) {
    function(scope, "range", args -> range(args, meter));
    function(scope, "dict", Globals::dict);
    function(
        scope,
        "namespace",
        args -> {
          Map<String, Object> fields = new LinkedHashMap<>();
          dict(args).forEach((k, v) -> fields.put(Values.string(k, "a field's name"), v));
          return new Namespace(fields);
        });
    function(
        scope,
        "raise_exception",
        args -> {
          Object message = args.bind("raise_exception", "message").get(0);
          throw new Failure(Failure.Kind.RAISED, PythonText.str(message));
        });
    function(
        scope,
        "strftime_now",
        args -> Dates.now(clock, args.bind("strftime_now", "format").string(0)));
  }

  private static void function(Scope scope, String name, Callable f) {
    scope.set(name, f);
  }

  private static Object range(Arguments args, Meter meter) {
    Bound b = args.bind("range", "start", "stop?", "step?");
    long start = b.has(1) ? b.integer(0) : 0;
    long stop = b.has(1) ? b.integer(1) : b.integer(0);
    long step = b.integer(2, 1);
    if (step == 0) {
      throw new Failure("range: the step cannot be 0");
    }
    long n = Math.max(0, (stop - start + step - Long.signum(step)) / step);
    if (n > MAX_RANGE) {
      throw new Failure(Failure.Kind.LIMIT, "range: more than " + MAX_RANGE + " numbers");
    }
    meter.size(n);
    List<Object> out = new ArrayList<>();
    for (long i = 0; i < n; i++) {
      out.add(start + i * step);
    }
    return out;
  }

  private static Map<Object, Object> dict(Arguments args) {
    Map<Object, Object> out = new LinkedHashMap<>();
    for (Object from : new Arguments(args.positional(), Map.of()).bind("dict", "from?").values()) {
      switch (from) {
        case null -> {}
        case Map<?, ?> m -> out.putAll(m);
        default -> {
          for (Object pair : Values.items(from)) {
            List<Object> parts = Values.items(pair);
            if (parts.size() != 2) {
              throw new Failure("dict needs pairs");
            }
            out.put(Values.key(parts.get(0)), parts.get(1));
          }
        }
      }
    }
    out.putAll(args.named());
    return out;
  }
}
