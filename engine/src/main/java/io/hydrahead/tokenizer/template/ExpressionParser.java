package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Token.Kind;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Reads expressions. From loosest to tightest: {@code a if b else c}, {@code or}, {@code and},
 * {@code not}, comparisons, {@code + -}, {@code ~}, {@code * / // %}, {@code **}, signs, then
 * attributes, items and calls, and filters and tests.
 */
final class ExpressionParser {
  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");

  private final Tokens in;

  /** Names read so far, to know what a macro refers to. */
  private final Set<String> read = new HashSet<>();

  ExpressionParser(Tokens in) {
    this.in = in;
  }

  /** Forgets which names were read; gives back those of before. */
  Set<String> forget() {
    Set<String> before = new HashSet<>(read);
    read.clear();
    return before;
  }

  /** Whether {@code name} was read since {@link #forget}. */
  boolean hasRead(String name) {
    return read.contains(name);
  }

  void remember(Set<String> names) {
    read.addAll(names);
  }

  /** One expression, or several with commas between them as a tuple. */
  Expr tuple(boolean conditional) {
    int at = in.at();
    List<Expr> items = new ArrayList<>();
    boolean comma = false;
    while (!endsTuple()) {
      items.add(conditional ? expression() : or());
      comma = in.skipOperator(",");
      if (!comma) {
        break;
      }
    }
    if (items.isEmpty()) {
      throw in.error("expected an expression, found " + in.peek().show());
    }
    return items.size() == 1 && !comma
        ? items.getFirst()
        : new Expr.TupleOf(List.copyOf(items), at);
  }

  private boolean endsTuple() {
    Token t = in.peek();
    return switch (t.kind()) {
      case VARIABLE_END, BLOCK_END, END -> true;
      case OPERATOR -> t.text().equals(")");
      default -> false;
    };
  }

  Expr expression() {
    in.enter();
    int at = in.at();
    Expr value = or();
    while (in.skipName("if")) {
      Expr test = or();
      Optional<Expr> otherwise = in.skipName("else") ? Optional.of(expression()) : Optional.empty();
      value = new Expr.Choice(test, value, otherwise, at);
    }
    in.leave();
    return value;
  }

  private Expr or() {
    Expr left = and();
    while (in.peek().name("or")) {
      int at = in.take().at();
      left = new Expr.Or(left, and(), at);
    }
    return left;
  }

  private Expr and() {
    Expr left = not();
    while (in.peek().name("and")) {
      int at = in.take().at();
      left = new Expr.And(left, not(), at);
    }
    return left;
  }

  private Expr not() {
    if (!in.peek().name("not")) {
      return comparison();
    }
    in.enter();
    int at = in.take().at();
    Expr value = new Expr.Not(not(), at);
    in.leave();
    return value;
  }

  private Expr comparison() {
    Expr first = sum();
    int at = in.at();
    List<String> operators = new ArrayList<>();
    List<Expr> rest = new ArrayList<>();
    while (true) {
      Token t = in.peek();
      if (t.kind() == Kind.OPERATOR && COMPARISONS.contains(t.text())) {
        operators.add(in.take().text());
      } else if (in.skipName("in")) {
        operators.add("in");
      } else if (t.name("not") && in.second().name("in")) {
        in.take();
        in.take();
        operators.add("not in");
      } else {
        break;
      }
      rest.add(sum());
    }
    return rest.isEmpty() ? first : new Expr.Comparison(first, operators, rest, at);
  }

  private Expr sum() {
    Expr left = concat();
    while (in.peek().operator("+") || in.peek().operator("-")) {
      Token t = in.take();
      left = new Expr.Arithmetic(t.text(), left, concat(), t.at());
    }
    return left;
  }

  private Expr concat() {
    int at = in.at();
    Expr first = product();
    if (!in.peek().operator("~")) {
      return first;
    }
    List<Expr> parts = new ArrayList<>(List.of(first));
    while (in.skipOperator("~")) {
      parts.add(product());
    }
    return new Expr.Concat(parts, at);
  }

  private Expr product() {
    Expr left = power();
    while (in.peek().kind() == Kind.OPERATOR
        && Set.of("*", "/", "//", "%").contains(in.peek().text())) {
      Token t = in.take();
      left = new Expr.Arithmetic(t.text(), left, power(), t.at());
    }
    return left;
  }

  private Expr power() {
    Expr left = unary(true);
    while (in.peek().operator("**")) {
      int at = in.take().at();
      left = new Expr.Arithmetic("**", left, unary(true), at);
    }
    return left;
  }

  private Expr unary(boolean filters) {
    Token t = in.peek();
    Expr value;
    if (t.operator("-") || t.operator("+")) {
      in.enter();
      in.take();
      value = new Expr.Sign(t.text().equals("-"), unary(false), t.at());
      in.leave();
    } else {
      value = primary();
    }
    value = postfix(value);
    return filters ? filters(value) : value;
  }

  private Expr primary() {
    Token t = in.take();
    return switch (t.kind()) {
      case NAME -> name(t);
      case STRING -> {
        StringBuilder text = new StringBuilder(t.text());
        while (in.peek().kind() == Kind.STRING) {
          text.append(in.take().text());
        }
        yield new Expr.Literal(text.toString(), t.at());
      }
      case INTEGER -> new Expr.Literal(integer(t), t.at());
      case FLOAT -> new Expr.Literal(Double.parseDouble(t.text()), t.at());
      case OPERATOR ->
          switch (t.text()) {
            case "(" -> parentheses(t.at());
            case "[" -> list(t.at());
            case "{" -> dict(t.at());
            default -> throw in.error(t.at(), "unexpected '" + t.text() + "'");
          };
      default -> throw in.error(t.at(), "unexpected " + t.show());
    };
  }

  private Expr name(Token t) {
    return switch (t.text()) {
      case "true", "True" -> new Expr.Literal(true, t.at());
      case "false", "False" -> new Expr.Literal(false, t.at());
      case "none", "None" -> new Expr.Literal(Values.NONE, t.at());
      default -> {
        read.add(t.text());
        yield new Expr.Name(t.text(), t.at());
      }
    };
  }

  private Object integer(Token t) {
    String digits = t.text();
    try {
      int base =
          switch (digits.length() > 1 ? Character.toLowerCase(digits.charAt(1)) : '0') {
            case 'b' -> 2;
            case 'o' -> 8;
            case 'x' -> 16;
            default -> 10;
          };
      return Numbers.normal(new BigInteger(base == 10 ? digits : digits.substring(2), base));
    } catch (NumberFormatException e) {
      throw in.error(t.at(), "'" + digits + "' is no number");
    }
  }

  private Expr parentheses(int at) {
    if (in.skipOperator(")")) {
      return new Expr.TupleOf(List.of(), at);
    }
    Expr value = tuple(true);
    in.expectOperator(")");
    return value;
  }

  private Expr list(int at) {
    List<Expr> items = new ArrayList<>();
    while (!in.skipOperator("]")) {
      if (!items.isEmpty()) {
        in.expectOperator(",");
        if (in.skipOperator("]")) {
          break;
        }
      }
      items.add(expression());
    }
    return new Expr.ListOf(List.copyOf(items), at);
  }

  private Expr dict(int at) {
    List<Expr> keys = new ArrayList<>();
    List<Expr> values = new ArrayList<>();
    while (!in.skipOperator("}")) {
      if (!keys.isEmpty()) {
        in.expectOperator(",");
        if (in.skipOperator("}")) {
          break;
        }
      }
      keys.add(expression());
      in.expectOperator(":");
      values.add(expression());
    }
    return new Expr.DictOf(List.copyOf(keys), List.copyOf(values), at);
  }

  private Expr postfix(Expr value) {
    Expr result = value;
    while (true) {
      Token t = in.peek();
      if (t.operator(".")) {
        result = dotted(result);
      } else if (t.operator("[")) {
        result = subscript(result);
      } else if (t.operator("(")) {
        result = call(result);
      } else {
        return result;
      }
    }
  }

  private Expr dotted(Expr of) {
    in.take();
    Token t = in.take();
    return switch (t.kind()) {
      case NAME -> new Expr.Attribute(of, t.text(), t.at());
      case INTEGER -> new Expr.Item(of, new Expr.Literal(integer(t), t.at()), t.at());
      default -> throw in.error(t.at(), "expected a name or number after '.', found " + t.show());
    };
  }

  private Expr subscript(Expr of) {
    int at = in.take().at();
    List<Expr> keys = new ArrayList<>();
    boolean comma = false;
    while (!in.peek().operator("]")) {
      Optional<Expr> start = in.peek().operator(":") ? Optional.empty() : Optional.of(expression());
      if (in.peek().operator(":")) {
        if (!keys.isEmpty()) {
          throw in.error("slices of several dimensions are not supported");
        }
        Expr slice = slice(of, start, at);
        in.expectOperator("]");
        return slice;
      }
      keys.add(start.orElseThrow());
      comma = in.skipOperator(",");
      if (!comma) {
        break;
      }
    }
    in.expectOperator("]");
    if (keys.isEmpty()) {
      throw in.error(at, "an index is missing between '[' and ']'");
    }
    boolean single = keys.size() == 1 && !comma;
    return new Expr.Item(of, single ? keys.getFirst() : new Expr.TupleOf(keys, at), at);
  }

  private Expr slice(Expr of, Optional<Expr> start, int at) {
    in.expectOperator(":");
    Optional<Expr> stop = bound();
    Optional<Expr> step = in.skipOperator(":") ? bound() : Optional.empty();
    return new Expr.Slice(of, start, stop, step, at);
  }

  private Optional<Expr> bound() {
    boolean none = in.peek().operator(":") || in.peek().operator("]");
    return none ? Optional.empty() : Optional.of(expression());
  }

  private Expr filters(Expr value) {
    Expr result = value;
    while (true) {
      Token t = in.peek();
      if (t.operator("|")) {
        in.take();
        result = filter(result);
      } else if (t.name("is")) {
        result = test(result);
      } else if (t.operator("(")) {
        result = call(result);
      } else {
        return result;
      }
    }
  }

  /** The filters of a block's tag, which begin without a bar. */
  Expr filterChain(Expr value) {
    Expr result = filter(value);
    while (in.skipOperator("|")) {
      result = filter(result);
    }
    return result;
  }

  private Expr filter(Expr value) {
    Token t = in.expect(Kind.NAME, "a filter's name");
    if (!Filters.exists(t.text())) {
      throw in.error(t.at(), "there is no filter '" + t.text() + "' here" + known(Filters.names()));
    }
    Expr.Args args = in.peek().operator("(") ? args() : Expr.Args.NONE;
    return new Expr.Filtered(value, t.text(), args, t.at());
  }

  private Expr test(Expr value) {
    in.take();
    boolean negated = in.skipName("not");
    Token t = in.expect(Kind.NAME, "a test's name");
    if (!Tests.exists(t.text())) {
      throw in.error(t.at(), "there is no test '" + t.text() + "' here" + known(Tests.names()));
    }
    Expr.Args args = Expr.Args.NONE;
    if (in.peek().operator("(")) {
      args = args();
    } else if (startsArgument()) {
      if (in.peek().name("is")) {
        throw in.error("tests cannot be chained; write 'and'");
      }
      Expr argument = postfix(primary());
      args =
          new Expr.Args(
              List.of(argument), List.of(), List.of(), Optional.empty(), Optional.empty());
    }
    Expr test = new Expr.Tested(value, t.text(), args, t.at());
    return negated ? new Expr.Not(test, t.at()) : test;
  }

  private static String known(Set<String> names) {
    return "; there are " + String.join(", ", names.stream().sorted().toList());
  }

  private boolean startsArgument() {
    Token t = in.peek();
    return switch (t.kind()) {
      case NAME -> !Set.of("else", "or", "and").contains(t.text());
      case STRING, INTEGER, FLOAT -> true;
      case OPERATOR -> Set.of("(", "[", "{").contains(t.text());
      default -> false;
    };
  }

  private Expr.Call call(Expr callee) {
    int at = in.at();
    return new Expr.Call(callee, args(), at);
  }

  private Expr.Args args() {
    int at = in.expectOperator("(").at();
    List<Expr> positional = new ArrayList<>();
    List<String> names = new ArrayList<>();
    List<Expr> named = new ArrayList<>();
    Optional<Expr> spread = Optional.empty();
    Optional<Expr> spreadNamed = Optional.empty();
    boolean comma = true;
    while (!in.peek().operator(")")) {
      if (!comma) {
        throw in.error("expected ',' or ')', found " + in.peek().show());
      }
      if (in.skipOperator("*")) {
        require(spread.isEmpty() && spreadNamed.isEmpty(), at);
        spread = Optional.of(expression());
      } else if (in.skipOperator("**")) {
        require(spreadNamed.isEmpty(), at);
        spreadNamed = Optional.of(expression());
      } else if (in.peek().kind() == Kind.NAME && in.second().operator("=")) {
        require(spreadNamed.isEmpty() && !names.contains(in.peek().text()), at);
        names.add(in.take().text());
        in.take();
        named.add(expression());
      } else {
        require(spread.isEmpty() && spreadNamed.isEmpty() && names.isEmpty(), at);
        positional.add(expression());
      }
      comma = in.skipOperator(",");
    }
    in.take();
    return new Expr.Args(positional, names, named, spread, spreadNamed);
  }

  private void require(boolean valid, int at) {
    if (!valid) {
      throw in.error(at, "these arguments are in a wrong order or given twice");
    }
  }
}
