package io.hydrahead.tokenizer.template;

import java.util.List;
import java.util.Optional;

/** A statement; {@link #at} is its offset in the source. */
sealed interface Stmt {
  int at();

  record Text(String text, int at) implements Stmt {}

  record Print(Expr value, int at) implements Stmt {}

  record If(Expr test, List<Stmt> then, List<Stmt> otherwise, int at) implements Stmt {}

  /** {@code for target in items if condition}; {@code otherwise} where nothing was looped over. */
  record For(
      Target target,
      Expr items,
      Optional<Expr> condition,
      boolean recursive,
      List<Stmt> body,
      List<Stmt> otherwise,
      int at)
      implements Stmt {}

  record Break(int at) implements Stmt {}

  record Continue(int at) implements Stmt {}

  record Assign(Target target, Expr value, int at) implements Stmt {}

  /** {@code set target | filters} … {@code endset}; {@code value} reads {@link #BODY}. */
  record AssignBlock(Target target, Expr value, List<Stmt> body, int at) implements Stmt {}

  /** {@code filter …} … {@code endfilter}; {@code value} reads {@link #BODY}. */
  record FilterBlock(Expr value, List<Stmt> body, int at) implements Stmt {}

  record With(List<Target> targets, List<Expr> values, List<Stmt> body, int at) implements Stmt {}

  record Define(Macro macro, int at) implements Stmt {}

  /** {@code call(…) callee(…)} … {@code endcall}. */
  record CallBlock(Macro caller, Expr.Call call, int at) implements Stmt {}

  /** What the assistant says, between {@code generation} tags: a scope of its own. */
  record Generation(List<Stmt> body, int at) implements Stmt {}

  /** Name under which a block's filters find its text; no template can spell it. */
  String BODY = "(body)";

  /**
   * A macro, or the body of a call block.
   *
   * @param defaults of the last {@code defaults.size()} parameters
   */
  record Macro(
      String name,
      List<String> parameters,
      List<Expr> defaults,
      List<Stmt> body,
      boolean usesCaller,
      boolean usesArguments,
      boolean usesNamedArguments) {}

  /** What can be assigned to. */
  sealed interface Target {
    record Variable(String name) implements Target {}

    /** {@code namespace.field}. */
    record Field(String namespace, String field, int at) implements Target {}

    record Several(List<Target> targets, int at) implements Target {}
  }
}
