package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Stmt.Target;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Which variables a template wants from outside: names that are read, in macros too, where the
 * template itself has not surely set them before. What only one branch sets may still come from
 * outside.
 */
final class Variables {
  private static final Set<String> OF_MACROS = Set.of("caller", "varargs", "kwargs");

  private final Set<String> wanted = new LinkedHashSet<>();

  private Variables() {}

  /** The names, in the order of their first being read. */
  static Set<String> wantedBy(List<Stmt> template) {
    Variables v = new Variables();
    v.all(template, new HashSet<>(Set.of(Stmt.BODY)));
    return v.wanted;
  }

  /** Adds to {@code set} what is set for the statements that follow. */
  private void all(List<Stmt> statements, Set<String> set) {
    statements.forEach(s -> one(s, set));
  }

  /** A block of which nothing is set outside. */
  private void apart(List<Stmt> body, Set<String> set) {
    all(body, new HashSet<>(set));
  }

  private void one(Stmt s, Set<String> set) {
    switch (s) {
      case Stmt.Text _, Stmt.Break _, Stmt.Continue _ -> {}
      case Stmt.Print p -> read(p.value(), set);
      case Stmt.If i -> {
        read(i.test(), set);
        Set<String> then = new HashSet<>(set);
        Set<String> otherwise = new HashSet<>(set);
        all(i.then(), then);
        all(i.otherwise(), otherwise);
        then.retainAll(otherwise);
        set.addAll(then);
      }
      case Stmt.For f -> {
        read(f.items(), set);
        Set<String> inner = new HashSet<>(set);
        assign(f.target(), inner);
        inner.add("loop");
        f.condition().ifPresent(c -> read(c, inner));
        all(f.body(), inner);
        apart(f.otherwise(), set);
      }
      case Stmt.Assign a -> {
        read(a.value(), set);
        assign(a.target(), set);
      }
      case Stmt.AssignBlock a -> {
        apart(a.body(), set);
        read(a.value(), set);
        assign(a.target(), set);
      }
      case Stmt.FilterBlock f -> {
        apart(f.body(), set);
        read(f.value(), set);
      }
      case Stmt.With w -> {
        Set<String> inner = new HashSet<>(set);
        w.values().forEach(v -> read(v, set));
        w.targets().forEach(t -> assign(t, inner));
        all(w.body(), inner);
      }
      case Stmt.Define d -> {
        set.add(d.macro().name());
        macro(d.macro(), set);
      }
      case Stmt.CallBlock c -> {
        macro(c.caller(), set);
        read(c.call(), set);
      }
      case Stmt.Generation g -> apart(g.body(), set);
    }
  }

  private void macro(Stmt.Macro m, Set<String> set) {
    Set<String> inner = new HashSet<>(set);
    inner.addAll(m.parameters());
    inner.addAll(OF_MACROS);
    m.defaults().forEach(d -> read(d, inner));
    all(m.body(), inner);
  }

  private void assign(Target t, Set<String> set) {
    switch (t) {
      case Target.Variable v -> set.add(v.name());
      case Target.Field f -> name(f.namespace(), set);
      case Target.Several all -> all.targets().forEach(one -> assign(one, set));
    }
  }

  private void name(String name, Set<String> set) {
    if (!set.contains(name)) {
      wanted.add(name);
    }
  }

  private void read(List<Expr> all, Set<String> set) {
    all.forEach(e -> read(e, set));
  }

  /** Without recursion: a sum of thousands is as many levels deep. */
  private void read(Expr whole, Set<String> set) {
    Deque<Expr> left = new ArrayDeque<>(List.of(whole));
    while (!left.isEmpty()) {
      Expr e = left.pop();
      if (e instanceof Expr.Name n) {
        name(n.name(), set);
      }
      parts(e).reversed().forEach(left::push);
    }
  }

  private static List<Expr> parts(Expr e) {
    return switch (e) {
      case Expr.Literal _, Expr.Name _ -> List.of();
      case Expr.ListOf l -> l.items();
      case Expr.TupleOf t -> t.items();
      case Expr.DictOf d -> join(d.keys(), d.values());
      case Expr.Attribute a -> List.of(a.of());
      case Expr.Item i -> List.of(i.of(), i.key());
      case Expr.Slice s ->
          join(
              List.of(s.of()),
              s.start().stream().toList(),
              s.stop().stream().toList(),
              s.step().stream().toList());
      case Expr.Call c -> join(List.of(c.callee()), parts(c.args()));
      case Expr.Filtered f -> join(List.of(f.value()), parts(f.args()));
      case Expr.Tested t -> join(List.of(t.value()), parts(t.args()));
      case Expr.Not n -> List.of(n.value());
      case Expr.Sign s -> List.of(s.value());
      case Expr.And a -> List.of(a.left(), a.right());
      case Expr.Or o -> List.of(o.left(), o.right());
      case Expr.Choice c -> join(List.of(c.test(), c.then()), c.otherwise().stream().toList());
      case Expr.Comparison c -> join(List.of(c.first()), c.rest());
      case Expr.Arithmetic a -> List.of(a.left(), a.right());
      case Expr.Concat c -> c.parts();
    };
  }

  private static List<Expr> parts(Expr.Args a) {
    return join(
        a.positional(), a.named(), a.spread().stream().toList(), a.spreadNamed().stream().toList());
  }

  @SafeVarargs
  private static List<Expr> join(List<Expr>... lists) {
    return Stream.of(lists).flatMap(List::stream).toList();
  }
}
