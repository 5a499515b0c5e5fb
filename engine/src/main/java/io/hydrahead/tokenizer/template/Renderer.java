package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Stmt.Target;
import io.hydrahead.tokenizer.template.Values.Callable;
import io.hydrahead.tokenizer.template.Values.Lazy;
import io.hydrahead.tokenizer.template.Values.Namespace;
import io.hydrahead.tokenizer.template.Values.Tuple;
import io.hydrahead.tokenizer.template.Values.Undefined;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Runs statements. */
final class Renderer {
  /** How a list of statements ended. */
  private enum End {
    DONE,
    BREAK,
    CONTINUE
  }

  private final Meter meter;
  private final Evaluator evaluator;

  Renderer(Meter meter) {
    this.meter = meter;
    this.evaluator = new Evaluator(meter);
  }

  /** Offset of what was last worked on, for errors. */
  int at() {
    return evaluator.at();
  }

  String render(List<Stmt> statements, Scope scope) {
    StringBuilder out = new StringBuilder();
    run(statements, scope, out);
    return out.toString();
  }

  private End run(List<Stmt> statements, Scope scope, StringBuilder out) {
    for (Stmt s : statements) {
      meter.step();
      End end = run(s, scope, out);
      if (end != End.DONE) {
        return end;
      }
    }
    return End.DONE;
  }

  private End run(Stmt statement, Scope scope, StringBuilder out) {
    switch (statement) {
      case Stmt.Text t -> write(t.text(), t.at(), out);
      case Stmt.Print p -> print(p, scope, out);
      case Stmt.If i -> {
        return run(evaluator.truth(i.test(), scope) ? i.then() : i.otherwise(), scope, out);
      }
      case Stmt.For f -> loop(f, evaluator.value(f.items(), scope), scope, 0, out);
      case Stmt.Break _ -> {
        return End.BREAK;
      }
      case Stmt.Continue _ -> {
        return End.CONTINUE;
      }
      case Stmt.Assign a -> {
        Object value = evaluator.value(a.value(), scope);
        evaluator.moveTo(a.at());
        assign(a.target(), value, scope);
      }
      case Stmt.AssignBlock a -> {
        Object value = filtered(a.value(), a.body(), scope);
        evaluator.moveTo(a.at());
        assign(a.target(), value, scope);
      }
      case Stmt.FilterBlock f -> {
        Object value = filtered(f.value(), f.body(), scope);
        write(PythonText.str(value), f.at(), out);
      }
      case Stmt.With w -> {
        Scope inner = scope.inner();
        for (int i = 0; i < w.targets().size(); i++) {
          assign(w.targets().get(i), evaluator.value(w.values().get(i), scope), inner);
        }
        return run(w.body(), inner, out);
      }
      case Stmt.Define d -> scope.set(d.macro().name(), macro(d.macro(), scope));
      case Stmt.CallBlock c -> {
        Object callee = evaluator.value(c.call().callee(), scope);
        Arguments args = evaluator.arguments(c.call().args(), scope);
        Arguments all = args.with("caller", macro(c.caller(), scope));
        write(PythonText.str(evaluator.call(callee, all, c.at())), c.at(), out);
      }
      case Stmt.Generation g -> {
        return run(g.body(), scope.inner(), out);
      }
    }
    return End.DONE;
  }

  private void print(Stmt.Print p, Scope scope, StringBuilder out) {
    Object value = evaluator.value(p.value(), scope);
    evaluator.moveTo(p.at());
    write(PythonText.str(value), p.at(), out);
  }

  private void write(String text, int at, StringBuilder out) {
    evaluator.moveTo(at);
    meter.output(out.length() + text.length());
    meter.size(text.length());
    out.append(text);
  }

  /** The value of {@code e}, in which the body's text has a name. */
  private Object filtered(Expr e, List<Stmt> body, Scope scope) {
    StringBuilder text = new StringBuilder();
    run(body, scope.inner(), text);
    Scope named = scope.inner();
    named.set(Stmt.BODY, text.toString());
    return evaluator.value(e, named);
  }

  private void assign(Target target, Object value, Scope scope) {
    switch (target) {
      case Target.Variable v -> scope.set(v.name(), value);
      case Target.Field f -> {
        if (!(scope.find(f.namespace()) instanceof Namespace n)) {
          evaluator.moveTo(f.at());
          throw new Failure("'" + f.namespace() + "' is no namespace, so its fields cannot be set");
        }
        n.fields().put(f.field(), value);
      }
      case Target.Several s -> {
        evaluator.moveTo(s.at());
        List<Object> parts = Values.items(value);
        if (parts.size() != s.targets().size()) {
          throw new Failure(
              "there are " + parts.size() + " values for " + s.targets().size() + " names");
        }
        for (int i = 0; i < parts.size(); i++) {
          assign(s.targets().get(i), parts.get(i), scope);
        }
      }
    }
  }

  private void loop(Stmt.For f, Object over, Scope scope, int depth0, StringBuilder out) {
    evaluator.moveTo(f.items().at());
    boolean lazy = over instanceof Lazy || f.condition().isPresent();
    Iterator<Object> all = over instanceof Lazy l ? l.items() : Values.items(over).iterator();
    long length = lazy ? -1 : Values.length(over);
    Iterator<Object> items = f.condition().isPresent() ? chosen(f, all, scope) : all;
    Optional<Callable> recursion =
        f.recursive() ? Optional.of(args -> recur(f, args, scope, depth0)) : Optional.empty();
    Loop loop = new Loop(items, length, depth0, recursion);
    Optional<Object> item = loop.advance();
    if (item.isEmpty()) {
      run(f.otherwise(), scope.inner(), out);
      return;
    }
    while (item.isPresent()) {
      meter.step();
      Scope turn = scope.inner();
      turn.set("loop", loop);
      assign(f.target(), item.get(), turn);
      if (run(f.body(), turn, out) == End.BREAK) {
        return;
      }
      item = loop.advance();
    }
  }

  private Object recur(Stmt.For f, Arguments args, Scope scope, int depth0) {
    Object over = args.bind("loop", "iterable").get(0);
    StringBuilder out = new StringBuilder();
    meter.enterCall();
    loop(f, over, scope, depth0 + 1, out);
    meter.leaveCall();
    return out.toString();
  }

  /** The items for which the loop's condition holds, each looked at when its turn comes. */
  private Iterator<Object> chosen(Stmt.For f, Iterator<Object> all, Scope scope) {
    return new Iterator<>() {
      private Optional<Object> next = Optional.empty();

      @Override
      public boolean hasNext() {
        while (next.isEmpty() && all.hasNext()) {
          Object item = all.next();
          Scope turn = scope.inner();
          meter.step();
          assign(f.target(), item, turn);
          if (evaluator.truth(f.condition().orElseThrow(), turn)) {
            next = Optional.of(item);
          }
        }
        return next.isPresent();
      }

      @Override
      public Object next() {
        hasNext();
        Object item = next.orElseThrow();
        next = Optional.empty();
        return item;
      }
    };
  }

  private Callable macro(Stmt.Macro m, Scope scope) {
    return args -> {
      Scope inner = scope.inner();
      bind(m, args, inner);
      meter.enterCall();
      StringBuilder out = new StringBuilder();
      run(m.body(), inner, out);
      meter.leaveCall();
      return out.toString();
    };
  }

  private void bind(Stmt.Macro m, Arguments args, Scope inner) {
    Map<String, Object> named = new LinkedHashMap<>(args.named());
    int parameters = m.parameters().size();
    int given = Math.min(args.positional().size(), parameters);
    int withoutDefault = parameters - m.defaults().size();
    for (int i = 0; i < parameters; i++) {
      String name = m.parameters().get(i);
      Object value = i < given ? args.positional().get(i) : named.remove(name);
      if (value == null) {
        value =
            i < withoutDefault
                ? new Undefined("the parameter '" + name + "' was not given")
                : evaluator.value(m.defaults().get(i - withoutDefault), inner);
      }
      inner.set(name, value);
    }
    if (m.usesCaller() && !m.parameters().contains("caller")) {
      Object caller = named.remove("caller");
      inner.set("caller", caller == null ? new Undefined("nothing was called with") : caller);
    }
    if (m.usesNamedArguments()) {
      inner.set("kwargs", new LinkedHashMap<Object, Object>(named));
    } else if (!named.isEmpty()) {
      throw new Failure(
          "the macro '"
              + m.name()
              + "' has no parameter '"
              + named.keySet().iterator().next()
              + "'");
    }
    if (m.usesArguments()) {
      List<Object> rest = args.positional().subList(given, args.positional().size());
      inner.set("varargs", new Tuple(new ArrayList<>(rest)));
    } else if (args.positional().size() > parameters) {
      throw new Failure("the macro '" + m.name() + "' takes at most " + parameters + " arguments");
    }
  }
}
