package io.hydrahead.cli;

import io.hydrahead.json.Json;
import io.hydrahead.model.DeltaNetConfig;
import io.hydrahead.model.Footprint;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.Style;
import io.hydrahead.plan.MemoryPlan;
import io.hydrahead.plan.Ratio;
import io.hydrahead.tensor.DType;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** What {@code info}, {@code plan} and {@code convert} all say about a head plan and its memory. */
record Summary(ModelConfig config, HeadPlan plan, Style style) {

  private MemoryPlan memory(HeadPlan p, Style s) {
    return MemoryPlan.of(config, p, s, DType.BF16, DType.F32);
  }

  private HeadPlan allFull() {
    return HeadPlan.allFull(config.layers(), config.heads());
  }

  /** Parameters of this model, and of the Transformer with the same config. */
  long parameters() {
    return memory(plan, style).parameters();
  }

  long parametersAllFull() {
    return memory(allFull(), Style.VANILLA).parameters();
  }

  /** Whether the plan keeps a larger share of the cache than of the heads. */
  boolean cacheAboveHeads() {
    return plan.cacheShare(config.kvHeads()) > plan.headShare() + 1e-9;
  }

  void printPlan(PrintWriter out) {
    out.printf(
        Locale.ROOT,
        "heads       %d of %d full: %shead share %s, cache share %s%n",
        plan.fullCount(),
        plan.layers() * plan.heads(),
        plan.isAllFull() || plan.fullCount() == 0
            ? ""
            : "real ratio " + Ratio.real(plan.headShare()) + ", ",
        Table.percent(plan.headShare()),
        Table.percent(plan.cacheShare(config.kvHeads())));
    if (plan.isAllFull()) {
      return;
    }
    out.println("others      " + others());
    for (int l = 0; l < plan.layers(); l++) {
      String heads =
          Arrays.stream(plan.fullHeads(l))
              .mapToObj(String::valueOf)
              .collect(Collectors.joining(" "));
      out.printf("  layer %-3d %s%n", l, heads.isEmpty() ? "–" : heads);
    }
  }

  /** What the heads do that are not full. */
  private String others() {
    if (style.qwen35()) {
      DeltaNetConfig n = config.deltaNet();
      return String.format(
          Locale.ROOT,
          "layers of Gated DeltaNet: %d value heads of %d dims, %d key heads of %d, convolution of %d",
          n.valueHeads(),
          n.valueDim(),
          n.keyHeads(),
          n.keyDim(),
          n.convKernel());
    }
    return style.windowed()
        ? String.format(
            Locale.ROOT,
            "softmax over a window of %,d positions and %,d sinks",
            style.window(),
            style.sinks())
        : "linear, Gated DeltaNet";
  }

  void printParameters(PrintWriter out) {
    out.printf(
        Locale.ROOT,
        "parameters  %,d, the Transformer has %,d%n",
        parameters(),
        parametersAllFull());
    if (plan.isAllFull() && parameters() > parametersAllFull()) {
      out.println(
          "note        a hybrid's heads have output gates and weights that a Transformer's lack, full"
              + " heads too; a recipe's style can switch them off");
    }
  }

  /** Cache memory at 4K…512K, beside that of the same model with every head full. */
  void printMemory(PrintWriter out) {
    MemoryPlan own = memory(plan, style);
    MemoryPlan full = memory(allFull(), Style.VANILLA);
    Table t =
        new Table(
            "memory a sequence",
            "keys+values",
            "state",
            "total",
            "all heads full",
            "GPU, bf16, with weights");
    for (int n : MemoryPlan.LENGTHS) {
      t.row(
          TokenCount.format(n),
          Table.bytes(own.kvBytes(n)),
          Table.bytes(own.stateBytes()),
          Table.bytes(own.cacheBytes(n)),
          Table.bytes(full.cacheBytes(n)),
          Table.bytes(onDevice(n).total()));
    }
    t.print(out);
  }

  /** What a GPU holds to read and continue {@code tokens} tokens. */
  private Footprint onDevice(int tokens) {
    return Footprint.ofInference(config, plan, style, DType.BF16, tokens);
  }

  /** Plan and memory fields of a JSON report. */
  void put(ObjectNode o) {
    MemoryPlan own = memory(plan, style);
    o.put("full_heads", plan.fullCount());
    o.put("real_ratio", Ratio.real(plan.headShare()));
    o.put("head_share", own.headShare());
    o.put("cache_share", own.cacheShare());
    o.set("full_attention_heads", Json.of(plan.toLists()));
    o.put("linear_kind", style.linearKind().name().toLowerCase(Locale.ROOT));
    if (style.windowed()) {
      o.put("window", style.window());
      o.put("sinks", style.sinks());
    }
    ArrayNode memory = o.putArray("memory");
    for (int n : MemoryPlan.LENGTHS) {
      memory
          .addObject()
          .put("tokens", n)
          .put("key_value_bytes", own.kvBytes(n))
          .put("state_bytes", own.stateBytes())
          .put("device_bytes", onDevice(n).total());
    }
  }
}
