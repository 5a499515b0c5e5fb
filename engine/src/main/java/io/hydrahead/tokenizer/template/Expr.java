package io.hydrahead.tokenizer.template;

import java.util.List;
import java.util.Optional;

/** An expression; {@link #at} is its offset in the source. */
sealed interface Expr {
  int at();

  /** A value that the template spells out. */
  record Literal(Object value, int at) implements Expr {}

  record Name(String name, int at) implements Expr {}

  record ListOf(List<Expr> items, int at) implements Expr {}

  record TupleOf(List<Expr> items, int at) implements Expr {}

  record DictOf(List<Expr> keys, List<Expr> values, int at) implements Expr {}

  /** {@code of.name}: an attribute before an item. */
  record Attribute(Expr of, String name, int at) implements Expr {}

  /** {@code of[key]}: an item before an attribute. */
  record Item(Expr of, Expr key, int at) implements Expr {}

  record Slice(Expr of, Optional<Expr> start, Optional<Expr> stop, Optional<Expr> step, int at)
      implements Expr {}

  record Call(Expr callee, Args args, int at) implements Expr {}

  record Filtered(Expr value, String filter, Args args, int at) implements Expr {}

  record Tested(Expr value, String test, Args args, int at) implements Expr {}

  record Not(Expr value, int at) implements Expr {}

  /** {@code +value} or {@code -value}. */
  record Sign(boolean negative, Expr value, int at) implements Expr {}

  record And(Expr left, Expr right, int at) implements Expr {}

  record Or(Expr left, Expr right, int at) implements Expr {}

  /** {@code then if test else otherwise}; undefined without {@code otherwise}. */
  record Choice(Expr test, Expr then, Optional<Expr> otherwise, int at) implements Expr {}

  /** {@code first op[0] rest[0] op[1] rest[1] …}, true if every neighbour agrees. */
  record Comparison(Expr first, List<String> operators, List<Expr> rest, int at) implements Expr {}

  /** One of {@code + - * / // % **}. */
  record Arithmetic(String operator, Expr left, Expr right, int at) implements Expr {}

  /** {@code a ~ b ~ …}. */
  record Concat(List<Expr> parts, int at) implements Expr {}

  /** Arguments of a call. */
  record Args(
      List<Expr> positional,
      List<String> names,
      List<Expr> named,
      Optional<Expr> spread,
      Optional<Expr> spreadNamed) {
    static final Args NONE =
        new Args(List.of(), List.of(), List.of(), Optional.empty(), Optional.empty());
  }
}
