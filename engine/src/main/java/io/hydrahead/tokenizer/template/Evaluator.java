package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Values.Callable;
import io.hydrahead.tokenizer.template.Values.Tuple;
import io.hydrahead.tokenizer.template.Values.Undefined;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Gives expressions their values. */
final class Evaluator {
  private final Meter meter;
  private final Lookup lookup;

  /** Offset of what was last worked on, for errors. */
  private int at;

  Evaluator(Meter meter) {
    this.meter = meter;
    this.lookup = new Lookup(meter);
  }

  int at() {
    return at;
  }

  /** Says where errors of what comes next belong. */
  void moveTo(int at) {
    this.at = at;
  }

  /**
   * The value of {@code e}.
   *
   * @throws Failure where Python would raise an exception; {@link #at} then tells the place
   */
  Object value(Expr e, Scope scope) {
    meter.step();
    return switch (e) {
      case Expr.Literal l -> l.value();
      case Expr.Name n -> name(n.name(), scope);
      case Expr.ListOf l -> values(l.items(), scope);
      case Expr.TupleOf t -> new Tuple(values(t.items(), scope));
      case Expr.DictOf d -> dict(d, scope);
      case Expr.Attribute a -> {
        Object of = value(a.of(), scope);
        at = a.at();
        yield lookup.attribute(of, a.name());
      }
      case Expr.Item i -> {
        Object of = value(i.of(), scope);
        Object key = value(i.key(), scope);
        at = i.at();
        yield lookup.item(of, key);
      }
      case Expr.Slice s -> slice(s, scope);
      case Expr.Call c -> {
        Object callee = value(c.callee(), scope);
        yield call(callee, arguments(c.args(), scope), c.at());
      }
      case Expr.Filtered f -> {
        Object v = value(f.value(), scope);
        Arguments args = arguments(f.args(), scope);
        at = f.at();
        yield Filters.apply(f.filter(), v, args, lookup);
      }
      case Expr.Tested t -> {
        Object v = value(t.value(), scope);
        Arguments args = arguments(t.args(), scope);
        at = t.at();
        yield Tests.holds(t.test(), v, args);
      }
      case Expr.Not n -> !truth(n.value(), scope);
      case Expr.Sign s -> {
        Object v = value(s.value(), scope);
        at = s.at();
        yield s.negative() ? Numbers.negate(v) : Numbers.plus(v);
      }
      case Expr.And a -> {
        Object left = value(a.left(), scope);
        yield Values.truth(left) ? value(a.right(), scope) : left;
      }
      case Expr.Or o -> {
        Object left = value(o.left(), scope);
        yield Values.truth(left) ? left : value(o.right(), scope);
      }
      case Expr.Choice c -> choice(c, scope);
      case Expr.Comparison c -> comparison(c, scope);
      case Expr.Arithmetic a -> {
        Object left = value(a.left(), scope);
        Object right = value(a.right(), scope);
        at = a.at();
        yield arithmetic(a.operator(), left, right);
      }
      case Expr.Concat c -> concat(c, scope);
    };
  }

  boolean truth(Expr e, Scope scope) {
    return Values.truth(value(e, scope));
  }

  private static Object name(String name, Scope scope) {
    Object v = scope.find(name);
    return v == null ? new Undefined("'" + name + "' is undefined") : v;
  }

  private List<Object> values(List<Expr> items, Scope scope) {
    List<Object> out = new ArrayList<>(items.size());
    for (Expr item : items) {
      out.add(value(item, scope));
    }
    return out;
  }

  private Object dict(Expr.DictOf d, Scope scope) {
    Map<Object, Object> map = new LinkedHashMap<>();
    for (int i = 0; i < d.keys().size(); i++) {
      Object key = value(d.keys().get(i), scope);
      Object item = value(d.values().get(i), scope);
      at = d.at();
      map.put(Values.key(key), item);
    }
    return map;
  }

  private Object slice(Expr.Slice s, Scope scope) {
    Object of = value(s.of(), scope);
    Object start = bound(s.start(), scope);
    Object stop = bound(s.stop(), scope);
    Object step = bound(s.step(), scope);
    at = s.at();
    Object slice = Sequences.slice(of, start, stop, step);
    meter.size(Values.length(slice));
    return slice;
  }

  private Object bound(Optional<Expr> e, Scope scope) {
    return e.isPresent() ? value(e.get(), scope) : Values.NONE;
  }

  private Object choice(Expr.Choice c, Scope scope) {
    if (truth(c.test(), scope)) {
      return value(c.then(), scope);
    }
    return c.otherwise().isPresent()
        ? value(c.otherwise().get(), scope)
        : new Undefined("the condition is false and there is no 'else'");
  }

  private Object comparison(Expr.Comparison c, Scope scope) {
    Object left = value(c.first(), scope);
    for (int i = 0; i < c.rest().size(); i++) {
      Object right = value(c.rest().get(i), scope);
      at = c.at();
      if (!holds(c.operators().get(i), left, right)) {
        return false;
      }
      left = right;
    }
    return true;
  }

  private boolean holds(String operator, Object a, Object b) {
    if (b instanceof String s && operator.endsWith("in")) {
      meter.size(s.length());
    }
    return switch (operator) {
      case "==" -> Values.equal(a, b);
      case "!=" -> !Values.equal(a, b);
      case "<" -> Values.compare(a, b) < 0;
      case "<=" -> Values.compare(a, b) <= 0;
      case ">" -> Values.compare(a, b) > 0;
      case ">=" -> Values.compare(a, b) >= 0;
      case "in" -> Values.contains(b, a);
      default -> !Values.contains(b, a);
    };
  }

  private Object concat(Expr.Concat c, Scope scope) {
    StringBuilder out = new StringBuilder();
    for (Expr part : c.parts()) {
      Object v = value(part, scope);
      at = c.at();
      out.append(PythonText.str(v));
      meter.output(out.length());
    }
    return meter.text(out.toString());
  }

  private Object arithmetic(String operator, Object a, Object b) {
    Values.defined(a);
    Values.defined(b);
    if (operator.equals("+")) {
      return add(a, b, meter);
    }
    if (operator.equals("*") && !Numbers.isNumber(a) && Numbers.isInteger(b)) {
      return repeat(a, b);
    }
    if (operator.equals("*") && !Numbers.isNumber(b) && Numbers.isInteger(a)) {
      return repeat(b, a);
    }
    if (operator.equals("%") && a instanceof String s) {
      return meter.text(Formatting.percent(s, b));
    }
    return Numbers.arithmetic(operator, a, b);
  }

  /** {@code a + b}: numbers, strings, lists or tuples. */
  static Object add(Object a, Object b, Meter meter) {
    Values.defined(a);
    Values.defined(b);
    if (a instanceof String s && b instanceof String t) {
      meter.size((long) s.length() + t.length());
      return s.concat(t);
    }
    if (a instanceof List<?> l && b instanceof List<?> m) {
      return joined(l, m, meter);
    }
    if (a instanceof Tuple t && b instanceof Tuple u) {
      return new Tuple(joined(t.items(), u.items(), meter));
    }
    if (Numbers.isNumber(a) && Numbers.isNumber(b)) {
      return Numbers.arithmetic("+", a, b);
    }
    throw new Failure(
        "values of type " + Values.type(a) + " and " + Values.type(b) + " cannot be added");
  }

  private static List<Object> joined(List<?> a, List<?> b, Meter meter) {
    meter.size((long) a.size() + b.size());
    List<Object> all = new ArrayList<>(a);
    all.addAll(b);
    return all;
  }

  private Object repeat(Object of, Object times) {
    long n = Numbers.big(times).max(Numbers.big(0L)).min(Numbers.big(1L << 31)).longValue();
    if (of instanceof String s) {
      meter.size(s.length() * n);
      return s.repeat((int) n);
    }
    boolean tuple = of instanceof Tuple;
    if (!tuple && !(of instanceof List<?>)) {
      throw new Failure("a value of type " + Values.type(of) + " cannot be repeated");
    }
    List<Object> items = Values.items(of);
    meter.size(items.size() * n);
    List<Object> all = new ArrayList<>();
    for (long i = 0; i < n && !items.isEmpty(); i++) {
      all.addAll(items);
    }
    return tuple ? new Tuple(all) : all;
  }

  /** Calls {@code callee}. */
  Object call(Object callee, Arguments args, int place) {
    at = place;
    Values.defined(callee);
    if (!(callee instanceof Callable c)) {
      throw new Failure("a value of type " + Values.type(callee) + " cannot be called");
    }
    return c.call(args);
  }

  /** Evaluates arguments from left to right. */
  Arguments arguments(Expr.Args args, Scope scope) {
    if (args == Expr.Args.NONE) {
      return Arguments.NONE;
    }
    List<Object> positional = values(args.positional(), scope);
    Map<String, Object> named = new LinkedHashMap<>();
    for (int i = 0; i < args.names().size(); i++) {
      named.put(args.names().get(i), value(args.named().get(i), scope));
    }
    if (args.spread().isPresent()) {
      positional.addAll(Values.items(value(args.spread().get(), scope)));
    }
    if (args.spreadNamed().isPresent()) {
      if (!(value(args.spreadNamed().get(), scope) instanceof Map<?, ?> more)) {
        throw new Failure("what follows '**' must be a dictionary");
      }
      more.forEach((k, v) -> {
        if (named.put(Values.string(k, "an argument's name"), v) != null) {
          throw new Failure("the argument '" + k + "' is given twice");
        }
      });
    }
    return new Arguments(positional, named);
  }
}
