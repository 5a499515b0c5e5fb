package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Stmt.Target;
import io.hydrahead.tokenizer.template.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Reads statements. Every tag, filter and test that this interpreter has not is refused here, with
 * its line and column.
 */
final class Parser {
  private static final Map<String, String> REFUSED =
      Map.of(
          "block", "a chat template stands alone",
          "extends", "a chat template stands alone",
          "include", "a chat template stands alone",
          "import", "a chat template stands alone",
          "from", "a chat template stands alone",
          "autoescape", "chat templates do not escape",
          "do", "transformers does not switch it on",
          "trans", "transformers does not switch it on",
          "debug", "transformers does not switch it on");

  private final Tokens in;
  private final ExpressionParser expressions;

  /** Loops around the present place within one macro. */
  private int loops;

  private Parser(Source source) {
    in = new Tokens(source);
    expressions = new ExpressionParser(in);
  }

  /**
   * The statements of a template.
   *
   * @throws TemplateException naming the place of what is wrong or not supported
   */
  static List<Stmt> parse(Source source) {
    Parser parser = new Parser(source);
    List<Stmt> all = parser.body(Set.of());
    if (parser.in.peek().kind() != Kind.END) {
      throw parser.in.error("this tag closes nothing");
    }
    return all;
  }

  /** Statements up to a tag named in {@code ends}, of which the name comes next. */
  private List<Stmt> body(Set<String> ends) {
    in.enter();
    List<Stmt> out = new ArrayList<>();
    while (true) {
      Token t = in.peek();
      switch (t.kind()) {
        case DATA -> out.add(new Stmt.Text(in.take().text(), t.at()));
        case VARIABLE_BEGIN -> {
          in.take();
          out.add(new Stmt.Print(expressions.tuple(true), t.at()));
          in.expect(Kind.VARIABLE_END, "'}}'");
        }
        case BLOCK_BEGIN -> {
          in.take();
          if (in.peek().kind() == Kind.NAME && ends.contains(in.peek().text())) {
            in.leave();
            return List.copyOf(out);
          }
          out.add(statement(ends));
          in.expect(Kind.BLOCK_END, "'%}'");
        }
        default -> {
          if (!ends.isEmpty()) {
            throw in.error("the template ends, '" + first(ends) + "' is missing");
          }
          in.leave();
          return List.copyOf(out);
        }
      }
    }
  }

  private static String first(Set<String> ends) {
    return ends.stream().filter(e -> e.startsWith("end")).findFirst().orElseThrow();
  }

  /** The block of a tag whose end comes next. */
  private List<Stmt> block(String... ends) {
    in.skipOperator(":");
    in.expect(Kind.BLOCK_END, "'%}'");
    return body(Set.of(ends));
  }

  private List<Stmt> closedBlock(String end) {
    List<Stmt> body = block(end);
    in.take();
    return body;
  }

  private Stmt statement(Set<String> ends) {
    Token tag = in.expect(Kind.NAME, "a tag's name");
    int at = tag.at();
    return switch (tag.text()) {
      case "if" -> conditional(at);
      case "for" -> loop(at);
      case "set" -> assignment(at);
      case "macro" -> new Stmt.Define(macro(), at);
      case "call" -> callBlock(at);
      case "filter" ->
          new Stmt.FilterBlock(
              expressions.filterChain(new Expr.Name(Stmt.BODY, at)), closedBlock("endfilter"), at);
      case "with" -> with(at);
      case "print" -> new Stmt.Print(expressions.tuple(true), at);
      case "generation" -> new Stmt.Generation(apart("endgeneration"), at);
      case "break" -> new Stmt.Break(inLoop(tag));
      case "continue" -> new Stmt.Continue(inLoop(tag));
      default -> throw unknown(tag, ends);
    };
  }

  private TemplateException unknown(Token tag, Set<String> ends) {
    String name = tag.text();
    String reason = REFUSED.get(name);
    if (reason != null) {
      return in.error(tag.at(), "the tag '" + name + "' is not supported: " + reason);
    }
    boolean closing = name.startsWith("end") || name.equals("else") || name.equals("elif");
    if (closing) {
      String hint = ends.isEmpty() ? "nothing is open" : "'" + first(ends) + "' comes first";
      return in.error(tag.at(), "unexpected tag '" + name + "': " + hint);
    }
    return in.error(tag.at(), "there is no tag '" + name + "'");
  }

  private int inLoop(Token tag) {
    if (loops == 0) {
      throw in.error(tag.at(), "'" + tag.text() + "' stands outside a loop");
    }
    return tag.at();
  }

  /** A block whose loops are not those around it. */
  private List<Stmt> apart(String end) {
    int around = loops;
    loops = 0;
    List<Stmt> body = closedBlock(end);
    loops = around;
    return body;
  }

  private Stmt conditional(int at) {
    Expr test = expressions.tuple(false);
    List<Stmt> then = block("elif", "else", "endif");
    Token next = in.take();
    return switch (next.text()) {
      case "elif" -> {
        in.enter();
        Stmt rest = conditional(next.at());
        in.leave();
        yield new Stmt.If(test, then, List.of(rest), at);
      }
      case "else" -> new Stmt.If(test, then, closedBlock("endif"), at);
      default -> new Stmt.If(test, then, List.of(), at);
    };
  }

  private Stmt loop(int at) {
    Target target = target(false);
    if (!in.skipName("in")) {
      throw in.error("expected 'in', found " + in.peek().show());
    }
    Expr items = expressions.tuple(false);
    Optional<Expr> condition =
        in.skipName("if") ? Optional.of(expressions.expression()) : Optional.empty();
    boolean recursive = in.skipName("recursive");
    loops++;
    List<Stmt> body = block("endfor", "else");
    loops--;
    List<Stmt> otherwise = in.take().text().equals("else") ? closedBlock("endfor") : List.of();
    return new Stmt.For(target, items, condition, recursive, body, otherwise, at);
  }

  private Stmt assignment(int at) {
    Target target = target(true);
    if (in.skipOperator("=")) {
      return new Stmt.Assign(target, expressions.tuple(true), at);
    }
    Expr value = new Expr.Name(Stmt.BODY, at);
    if (in.skipOperator("|")) {
      value = expressions.filterChain(value);
    }
    return new Stmt.AssignBlock(target, value, closedBlock("endset"), at);
  }

  /** One target, or several with commas between them. */
  private Target target(boolean fields) {
    int at = in.at();
    List<Target> all = new ArrayList<>();
    boolean comma;
    do {
      all.add(oneTarget(fields));
      comma = in.skipOperator(",");
    } while (comma && (in.peek().kind() == Kind.NAME && !in.peek().name("in") || opens()));
    return all.size() == 1 && !comma ? all.getFirst() : new Target.Several(List.copyOf(all), at);
  }

  private boolean opens() {
    return in.peek().operator("(");
  }

  private Target oneTarget(boolean fields) {
    if (opens()) {
      in.enter();
      in.take();
      Target inner = target(fields);
      in.expectOperator(")");
      in.leave();
      return inner;
    }
    Token name = variable();
    if (fields && in.skipOperator(".")) {
      Token field = in.expect(Kind.NAME, "a field's name");
      return new Target.Field(name.text(), field.text(), name.at());
    }
    return new Target.Variable(name.text());
  }

  private Token variable() {
    Token name = in.expect(Kind.NAME, "a variable's name");
    if (Set.of("true", "false", "none", "True", "False", "None").contains(name.text())) {
      throw in.error(name.at(), "'" + name.text() + "' cannot be assigned to");
    }
    return name;
  }

  private Stmt.Macro macro() {
    String name = variable().text();
    return function(name, "endmacro", true);
  }

  private Stmt.Macro function(String name, String end, boolean signature) {
    List<String> parameters = new ArrayList<>();
    List<Expr> defaults = new ArrayList<>();
    Set<String> before = expressions.forget();
    if (signature) {
      signature(parameters, defaults);
    }
    List<Stmt> body = apart(end);
    Stmt.Macro macro =
        new Stmt.Macro(
            name,
            List.copyOf(parameters),
            List.copyOf(defaults),
            body,
            expressions.hasRead("caller"),
            expressions.hasRead("varargs"),
            expressions.hasRead("kwargs"));
    expressions.remember(before);
    return macro;
  }

  private void signature(List<String> parameters, List<Expr> defaults) {
    in.expectOperator("(");
    while (!in.skipOperator(")")) {
      if (!parameters.isEmpty()) {
        in.expectOperator(",");
      }
      Token p = variable();
      if (parameters.contains(p.text())) {
        throw in.error(p.at(), "the parameter '" + p.text() + "' is there twice");
      }
      parameters.add(p.text());
      if (in.skipOperator("=")) {
        defaults.add(expressions.expression());
      } else if (!defaults.isEmpty()) {
        throw in.error(p.at(), "a parameter without a default follows one with a default");
      }
    }
  }

  /** {@code call(x) callee(…)}: the callee stands between the signature and the body. */
  private Stmt callBlock(int at) {
    List<String> parameters = new ArrayList<>();
    List<Expr> defaults = new ArrayList<>();
    if (opens()) {
      signature(parameters, defaults);
    }
    int callAt = in.at();
    if (!(expressions.expression() instanceof Expr.Call call)) {
      throw in.error(callAt, "expected a call");
    }
    Stmt.Macro body = function("caller", "endcall", false);
    Stmt.Macro caller =
        new Stmt.Macro(
            "caller",
            List.copyOf(parameters),
            List.copyOf(defaults),
            body.body(),
            body.usesCaller(),
            body.usesArguments(),
            body.usesNamedArguments());
    return new Stmt.CallBlock(caller, call, at);
  }

  private Stmt with(int at) {
    List<Target> targets = new ArrayList<>();
    List<Expr> values = new ArrayList<>();
    while (in.peek().kind() != Kind.BLOCK_END) {
      if (!targets.isEmpty()) {
        in.expectOperator(",");
      }
      targets.add(oneTarget(false));
      in.expectOperator("=");
      values.add(expressions.expression());
    }
    return new Stmt.With(targets, values, closedBlock("endwith"), at);
  }
}
