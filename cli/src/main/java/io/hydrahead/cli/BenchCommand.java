package io.hydrahead.cli;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.json.Json;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ModelShapes;
import io.hydrahead.model.Style;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.gemm.Ceilings;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code hydrahead bench}: speed, always beside the ceilings measured in the same run. */
@Command(
    name = "bench",
    description = "Measures operations, prefill, decode, training and serving on random weights.")
@Without("--seed")
final class BenchCommand implements Callable<Integer> {
  private static final long CEILING_BYTES = 1L << 30;
  private static final long MOST_TOKENS = 1L << 27;

  enum What {
    OPS,
    DECODE,
    PREFILL,
    TRAIN,
    SERVE
  }

  enum PlanName {
    FULL,
    LAYER_3_1,
    HEAD_7_1;

    @Override
    public String toString() {
      return switch (this) {
        case FULL -> "full";
        case LAYER_3_1 -> "layer-3:1";
        case HEAD_7_1 -> "head-7:1";
      };
    }

    static PlanName of(String text) {
      for (PlanName p : values()) {
        if (p.toString().equalsIgnoreCase(text)) {
          return p;
        }
      }
      throw new InputException("--plan '" + text + "' should be full, layer-3:1 or head-7:1");
    }

    Style style(ModelConfig c) {
      if (this != FULL) {
        return Style.HYDRAHEAD;
      }
      return ModelShapes.qwen35(c) ? Style.QWEN3_5 : Style.VANILLA;
    }

    /**
     * The model as it was made, whole rows 3:1, or whole KV groups spread evenly 7:1: what a probe
     * would choose costs the same.
     */
    HeadPlan plan(ModelConfig c) {
      if (this == FULL) {
        return ModelShapes.plan(c);
      }
      boolean[][] full = new boolean[c.layers()][c.heads()];
      if (this == LAYER_3_1) {
        int rows = (c.layers() + 3) / 4;
        for (int i = 0; i < rows; i++) {
          Arrays.fill(full[((i + 1) * c.layers() + rows - 1) / rows - 1], true);
        }
      } else {
        int groups = Math.round(c.layers() * c.heads() / 8f / c.group());
        for (int i = 0; i < groups; i++) {
          int layer = (int) ((long) i * c.layers() / groups);
          int group = i % c.kvHeads();
          Arrays.fill(full[layer], group * c.group(), (group + 1) * c.group(), true);
        }
      }
      return HeadPlan.of(full);
    }
  }

  @Mixin private CommonOptions common;

  @picocli.CommandLine.Parameters(
      paramLabel = "WHAT",
      description = "${COMPLETION-CANDIDATES}.",
      arity = "1")
  private What what;

  @Option(
      names = "--shape",
      paramLabel = "NAME",
      defaultValue = "teacher-24m",
      description =
          "qwen3-1.7b, qwen3-0.6b, qwen3.5-0.8b, teacher-24m or tiny (default: ${DEFAULT-VALUE}).")
  private String shape;

  @Option(
      names = "--plan",
      paramLabel = "NAME",
      split = ",",
      description =
          "full, layer-3:1, head-7:1; several with commas (default: all three; a qwen3.5 is a hybrid"
              + " of its own and has full alone, which is itself).")
  private List<String> plans;

  @Option(
      names = "--contexts",
      paramLabel = "N",
      split = ",",
      defaultValue = "512",
      description =
          "Tokens: of context for decode, of text for prefill and train, of prompts for serve"
              + " (default: ${DEFAULT-VALUE}).")
  private List<TokenCount> contexts;

  @Option(names = "--batch", paramLabel = "N", defaultValue = "8", description = "Rows for train.")
  private int batch;

  @Option(
      names = "--micro-rows",
      paramLabel = "N",
      description = "Rows that a GPU computes at once for train (default: all of --batch).")
  private Integer microRows;

  @Option(
      names = "--recompute",
      description = "For train on a GPU: compute activations again instead of keeping them.")
  private boolean recompute;

  @Mixin private ServeBenchOptions serving;

  @Option(
      names = "--seconds",
      paramLabel = "S",
      defaultValue = "4",
      description =
          "Time for each figure (default: ${DEFAULT-VALUE}). After it, clients of serve ask for no more"
              + " and the figure waits for what they have asked for: minutes with many on a CPU.")
  private double seconds;

  @Option(names = "--json", paramLabel = "FILE", description = "Write the figures to FILE too.")
  private Path json;

  /** The common option, whose words fit models that are stored. */
  static void describeDtype(CommandLine line) {
    CommonOptions.describe(
        line,
        "--dtype",
        "Random weights in memory: ${COMPLETION-CANDIDATES}; default: BF16, for train F32;"
            + " with --soak, as stored.");
  }

  @Override
  public Integer call() throws InterruptedException {
    if (json != null) {
      Outputs.requireFree(common, json, "--json");
    }
    Sources.requireAtLeast("--batch", batch, 1);
    if (microRows != null) {
      Sources.requireBetween("--micro-rows", microRows, 1, batch);
    }
    if (seconds <= 0) {
      throw new InputException("--seconds must be above 0, not " + Values.spell(seconds));
    }
    ModelShapes.get(shape);
    if (what != What.OPS) {
      choosePlans();
    }
    if (contexts.stream().anyMatch(c -> c.tokens() > MOST_TOKENS)) {
      throw new InputException("--contexts has at most " + TokenCount.format(MOST_TOKENS));
    }
    serving.check(what == What.SERVE, contexts.size());
    if (what == What.SERVE) {
      serving.tellUnused(common);
    }
    if (serving.soaks()) {
      return serving.soak(common).run(json);
    }
    try (Ops ops = LoadedModel.ops(common)) {
      if (what == What.SERVE) {
        serve(ops);
        return ExitCode.OK;
      }
      if (!ops.memory().host()) {
        device(ops);
        return ExitCode.OK;
      }
      Ceilings ceilings = measure(ops.pool());
      common
          .out()
          .printf(
              Locale.ROOT,
              "ceilings: float32 FMA %.0f GFLOP/s, streaming read %.1f GB/s, copy %.1f GB/s; %d threads, %s%n",
              ceilings.fmaGflops(),
              ceilings.readGBs(),
              ceilings.copyGBs(),
              ops.pool().threads(),
              ops.description());
      common.out().flush();
      ObjectNode report = JsonReport.begin("bench", common);
      report
          .putObject("ceilings")
          .put("fma_gflops", ceilings.fmaGflops())
          .put("read_gbs", ceilings.readGBs())
          .put("copy_gbs", ceilings.copyGBs());
      report.put("threads", ops.pool().threads());
      ArrayNode figures = report.putArray("figures");
      if (what == What.OPS) {
        new OpsBench(common, ops, ceilings, seconds, figures).run();
      } else {
        models(ops, ceilings, figures);
      }
      if (json != null) {
        AtomicFile.write(json, report, common.force());
      }
    }
    return ExitCode.OK;
  }

  private void choosePlans() {
    boolean qwen35 = ModelShapes.qwen35(ModelShapes.get(shape));
    if (plans == null) {
      plans =
          Arrays.stream(PlanName.values())
              .filter(p -> !qwen35 || p == PlanName.FULL)
              .map(PlanName::toString)
              .toList();
    }
    for (String plan : plans) {
      if (PlanName.of(plan) != PlanName.FULL && qwen35) {
        throw new InputException(
            "--plan '" + plan + "': " + shape + " is a hybrid of its own, its plan is full");
      }
    }
  }

  private void serve(Ops ops) throws InterruptedException {
    ServeFigures figures =
        new ServeFigures(common, ops, shape, plans.stream().map(PlanName::of).toList(), seconds);
    ObjectNode report = JsonReport.begin("bench", common);
    report.put("device", ops.description());
    ArrayNode array = report.putArray("figures");
    int[] lengths = contexts.stream().mapToInt(c -> Math.toIntExact(c.tokens())).toArray();
    if (serving.capacity()) {
      new ServeCapacity(figures, serving, array).run(lengths);
    } else if (serving.fair()) {
      figures.fairness(serving.farTokens(), lengths, array);
    } else {
      figures.run(serving, lengths, array);
    }
    common.out().flush();
    if (json != null) {
      AtomicFile.write(json, report, common.force());
    }
  }

  private void device(Ops ops) {
    DeviceCeilings ceilings = DeviceCeilings.measure(ops);
    common
        .out()
        .printf(
            Locale.ROOT,
            "ceilings: product %.0f TFLOP/s, copy %.0f GB/s; %s%n",
            ceilings.gemmTflops(),
            ceilings.copyGBs(),
            ops.description());
    ObjectNode report = JsonReport.begin("bench", common);
    report.put("device", ops.description());
    report
        .putObject("ceilings")
        .put("gemm_tflops", ceilings.gemmTflops())
        .put("copy_gbs", ceilings.copyGBs())
        .put("peak_tflops", ceilings.peakTflops());
    DeviceFigures figures = new DeviceFigures(ceilings, report.putArray("figures"));
    if (what == What.OPS) {
      new DeviceOpsBench(ops, figures).run();
    } else {
      for (String name : plans) {
        deviceModel(ops, PlanName.of(name), figures);
      }
    }
    figures.table().print(common.out());
    figures.notes().forEach(common.out()::println);
    common.out().flush();
    if (json != null) {
      AtomicFile.write(json, report, common.force());
    }
  }

  private void deviceModel(Ops ops, PlanName plan, DeviceFigures figures) {
    ModelConfig config = ModelShapes.get(shape);
    Style style = plan.style(config);
    long free = ops.memory().freeBytes();
    DType weights = what == What.TRAIN ? DType.F32 : ops.activations();
    try (HybridTransformer model =
        ModelShapes.random(config, plan.plan(config), style, weights, ops)) {
      DeviceModelBench bench =
          new DeviceModelBench(model, figures, shape + " " + plan, seconds, free);
      for (TokenCount context : contexts) {
        int tokens = Math.toIntExact(context.tokens());
        common.progress().begin(what + " " + plan + " " + context, 1, "figure");
        switch (what) {
          case DECODE -> bench.decode(tokens);
          case PREFILL -> bench.prefill(tokens);
          default ->
              bench.train(
                  tokens,
                  new DeviceModelBench.Training(
                      batch, microRows == null ? batch : microRows, recompute));
        }
        common.progress().advance(1, "");
        common.progress().end();
      }
    }
  }

  private Ceilings measure(ComputePool pool) {
    common.progress().begin("ceilings", 1, "run");
    Ceilings c = Ceilings.measure(pool, CEILING_BYTES);
    common.progress().advance(1, "");
    common.progress().end();
    return c;
  }

  private void models(Ops ops, Ceilings ceilings, ArrayNode figures) {
    ModelConfig config = ModelShapes.get(shape);
    DType dtype =
        what == What.TRAIN || common.dtype() == CommonOptions.DataType.F32 ? DType.F32 : DType.BF16;
    common.out().println("shape " + shape + ", " + dtype + " weights");
    Table table =
        new Table(
            what.toString().toLowerCase(Locale.ROOT),
            "tokens",
            "µs/token",
            "tokens/s",
            "GFLOP/s",
            "GB/s",
            "of FMA",
            "of read",
            "best");
    for (String name : plans) {
      PlanName plan = PlanName.of(name);
      Style style = plan.style(config);
      try (HybridTransformer model =
          ModelShapes.random(config, plan.plan(config), style, dtype, ops)) {
        ModelBench bench = new ModelBench(model, seconds, batch, common.progress());
        for (TokenCount context : contexts) {
          int tokens = Math.toIntExact(context.tokens());
          common.progress().begin(what + " " + plan + " " + context, 1, "figure");
          ModelBench.Figure f =
              switch (what) {
                case DECODE -> bench.decode(tokens, ops, CEILING_BYTES);
                case PREFILL -> bench.prefill(tokens);
                default -> bench.train(tokens);
              };
          common.progress().advance(1, "");
          common.progress().end();
          double read = Math.max(f.readCeiling(), f.readCeiling() > 0 ? 0 : ceilings.readGBs());
          table.row(
              plan,
              context,
              String.format(Locale.ROOT, "%.1f", f.micros()),
              String.format(Locale.ROOT, "%.1f", 1e6 / f.micros()),
              String.format(Locale.ROOT, "%.1f", f.flops() / f.micros() / 1e3),
              String.format(Locale.ROOT, "%.1f", f.bytes() / f.micros() / 1e3),
              Table.percent(f.flops() / f.micros() / 1e3 / ceilings.fmaGflops()),
              Table.percent(f.bytes() / f.micros() / 1e3 / read),
              Table.percent(
                  what == What.DECODE
                      ? f.bytes() / f.best() / 1e3 / read
                      : f.flops() / f.best() / 1e3 / ceilings.fmaGflops()));
          figures.add(
              Json.of(
                  java.util.Map.of(
                      "what",
                      what.toString(),
                      "shape",
                      shape,
                      "plan",
                      plan.toString(),
                      "tokens",
                      tokens,
                      "micros_per_token",
                      f.micros(),
                      "best_micros_per_token",
                      f.best(),
                      "flops_per_token",
                      f.flops(),
                      "bytes_per_token",
                      f.bytes(),
                      "read_gbs",
                      read)));
        }
      }
    }
    table.print(common.out());
    common.out().flush();
  }
}
