package io.hydrahead.cli;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ModelShapes;
import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The figures of {@code bench serve}, for each plan of a shape. */
final class ServeFigures {
  private final CommonOptions common;
  private final Ops ops;
  private final String shape;
  private final List<BenchCommand.PlanName> plans;
  private final double seconds;

  ServeFigures(
      CommonOptions common,
      Ops ops,
      String shape,
      List<BenchCommand.PlanName> plans,
      double seconds) {
    this.common = common;
    this.ops = ops;
    this.shape = shape;
    this.plans = plans;
    this.seconds = seconds;
  }

  CommonOptions common() {
    return common;
  }

  Ops ops() {
    return ops;
  }

  List<BenchCommand.PlanName> plans() {
    return plans;
  }

  double seconds() {
    return seconds;
  }

  ModelConfig config() {
    return ModelShapes.get(shape);
  }

  /** Of the weights. */
  DType type() {
    boolean float32 = ops.memory().host() && common.dtype() == CommonOptions.DataType.F32;
    return float32 ? DType.F32 : DType.BF16;
  }

  /** A model with random weights. */
  HybridTransformer model(BenchCommand.PlanName plan) {
    return ModelShapes.random(config(), plan.plan(config()), plan.style(config()), type(), ops);
  }

  void introduce() {
    common.out().println("shape " + shape + ", " + type() + " weights; " + ops.description());
  }

  /** A figure's fields that all have. */
  ObjectNode figure(ArrayNode figures, String what, BenchCommand.PlanName plan) {
    return figures.addObject().put("what", what).put("shape", shape).put("plan", plan.toString());
  }

  /** Clients that ask again as soon as they have their replies: a row each for every number. */
  void run(ServeBenchOptions options, int[] lengths, ArrayNode figures)
      throws InterruptedException {
    introduce();
    Table table =
        new Table(
            "serve",
            "prompt",
            "reply",
            "clients",
            "tokens/s",
            "prompt tokens/s",
            "first token, ms",
            "95%",
            "between, ms",
            "95%",
            "cache hits",
            "cached",
            "requests");
    List<int[]> rows =
        options.mix()
            ? List.of(lengths)
            : Arrays.stream(lengths).mapToObj(n -> new int[] {n}).toList();
    for (BenchCommand.PlanName plan : plans) {
      try (HybridTransformer model = model(plan)) {
        for (int[] row : rows) {
          for (int n : options.clients()) {
            ServeBench.Load load = new ServeBench.Load(n, row, options.shared(), options.reply());
            common
                .progress()
                .begin("serve " + plan + " " + spell(row) + ", " + n, 0, "tokens of replies");
            ServeBench.Figure f = new ServeBench(model, seconds).measure(load, common.progress());
            common.progress().end();
            add(table, plan, load, f);
            add(figure(figures, "SERVE", plan), load, f);
          }
        }
      }
    }
    table.print(common.out());
  }

  /** How long short prompts wait beside one of {@code far} tokens: a row for each length. */
  void fairness(int far, int[] lengths, ArrayNode figures) throws InterruptedException {
    introduce();
    Table table =
        new Table(
            "first token",
            "prompt",
            "alone, ms",
            "95%",
            "beside",
            "ms",
            "95%",
            "ratio",
            "requests");
    for (BenchCommand.PlanName plan : plans) {
      try (HybridTransformer model = model(plan)) {
        for (int n : lengths) {
          common.progress().begin("fairness " + plan + " " + TokenCount.format(n), 1, "figure");
          ServeBench.Fairness f = new ServeBench(model, seconds).fairness(n, far);
          common.progress().advance(1, "");
          common.progress().end();
          table.row(
              plan,
              TokenCount.format(n),
              millis(f.alone().median()),
              millis(f.alone().slow()),
              TokenCount.format(far),
              millis(f.beside().median()),
              millis(f.beside().slow()),
              String.format(Locale.ROOT, "%.2f", f.ratio()),
              f.requests());
          figure(figures, "FAIRNESS", plan)
              .put("tokens", n)
              .put("beside_tokens", far)
              .put("requests", f.requests())
              .put("alone_first_token_ms", f.alone().median())
              .put("alone_first_token_ms_95", f.alone().slow())
              .put("beside_first_token_ms", f.beside().median())
              .put("beside_first_token_ms_95", f.beside().slow())
              .put("ratio", f.ratio());
        }
      }
    }
    table.print(common.out());
  }

  private static void add(
      Table table, BenchCommand.PlanName plan, ServeBench.Load load, ServeBench.Figure f) {
    table.row(
        plan,
        spell(load.lengths()),
        load.reply(),
        load.clients(),
        Math.round(f.tokensPerSecond()),
        Math.round(f.promptTokensPerSecond()),
        millis(f.firstToken().median()),
        millis(f.firstToken().slow()),
        millis(f.between().median()),
        millis(f.between().slow()),
        Table.percent(f.hits()),
        Table.percent(f.cached()),
        f.requests());
  }

  private static void add(ObjectNode o, ServeBench.Load load, ServeBench.Figure f) {
    if (load.lengths().length == 1) {
      o.put("tokens", load.lengths()[0]);
    }
    ArrayNode lengths = o.putArray("lengths");
    Arrays.stream(load.lengths()).forEach(lengths::add);
    o.put("shared", load.shared());
    o.put("reply", load.reply());
    o.put("clients", load.clients());
    o.put("requests", f.requests());
    o.put("tokens_per_second", f.tokensPerSecond());
    o.put("prompt_tokens_per_second", f.promptTokensPerSecond());
    o.put("cache_hits", f.hits());
    o.put("cached_tokens", f.cached());
    add(o, f.firstToken(), f.between());
    if (load.lengths().length > 1) {
      ArrayNode each = o.putArray("by_length");
      f.byLength()
          .forEach((n, spread) ->
              each.addObject()
                  .put("tokens", n)
                  .put("first_token_ms", spread.median())
                  .put("first_token_ms_95", spread.slow()));
    }
  }

  private static void add(ObjectNode o, ServeBench.Spread first, ServeBench.Spread between) {
    o.put("first_token_ms", first.median()).put("first_token_ms_95", first.slow());
    o.put("between_ms", between.median()).put("between_ms_95", between.slow());
  }

  private static String spell(int[] lengths) {
    return Arrays.stream(lengths).mapToObj(TokenCount::format).collect(Collectors.joining("+"));
  }

  static String millis(double v) {
    return String.format(Locale.ROOT, v < 10 ? "%.2f" : "%.0f", v);
  }
}
