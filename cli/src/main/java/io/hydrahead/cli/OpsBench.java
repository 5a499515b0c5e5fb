package io.hydrahead.cli;

import io.hydrahead.json.Json;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.ops.attention.CausalAttention;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.ops.gemm.Ceilings;
import io.hydrahead.ops.gemm.Gemm;
import io.hydrahead.ops.gemm.Gemms;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import tools.jackson.databind.node.ArrayNode;

/** Times single operations: matrix products, attention, the delta rule in chunks and in steps. */
final class OpsBench {
  private final CommonOptions common;
  private final Ops ops;
  private final Ceilings ceilings;
  private final double seconds;
  private final ArrayNode figures;
  private final Table table = new Table("operation", "ms", "GFLOP/s", "of FMA", "best");

  OpsBench(CommonOptions common, Ops ops, Ceilings ceilings, double seconds, ArrayNode figures) {
    this.common = common;
    this.ops = ops;
    this.ceilings = ceilings;
    this.seconds = seconds;
    this.figures = figures;
  }

  void run() {
    for (String backend : List.of("onednn", "java")) {
      gemms(backend);
    }
    attention(4096, 8, 64);
    attention(512, 8, 32);
    double ratio = deltaRule(ops, "", 4096, 8, 64);
    double alone = Double.NaN;
    try (Ops one = OpsFactory.cpu(new OpsOptions(1, "java", false))) {
      alone = deltaRule(one, ", 1 thread", 4096, 8, 64);
    }
    deltaRule(ops, "", 512, 8, 32);
    table.print(common.out());
    common
        .out()
        .printf(
            Locale.ROOT,
            "delta rule at d 64, T 4096: prefill in chunks is %.1f times as fast as 4096 calls of step on"
                + " %d threads, %.1f times on one%n",
            ratio,
            ops.pool().threads(),
            alone);
    common.out().flush();
  }

  private void gemms(String backend) {
    Gemm gemm;
    try {
      gemm = Gemms.select(backend, ops.pool());
    } catch (InputException e) {
      common.notice(backend + ": " + e.getMessage());
      return;
    }
    int[][] sizes = {{2048, 2048, 2048}, {4096, 1024, 1024}, {4096, 384, 128}, {4096, 128, 384}};
    for (int[] s : sizes) {
      try (Workspace w = new Workspace()) {
        Tensor a = random(w, s[0], s[2]);
        Tensor b = random(w, s[1], s[2]);
        Tensor c = w.f32(s[0], s[1]);
        double flops = 2.0 * s[0] * s[1] * s[2];
        time(
            "gemm " + gemm.name() + " " + s[0] + "×" + s[1] + "×" + s[2],
            flops,
            () ->
                gemm.multiply(
                    false,
                    true,
                    s[0],
                    s[1],
                    s[2],
                    1f,
                    a.segment(),
                    s[2],
                    b.segment(),
                    s[2],
                    0f,
                    c.segment(),
                    s[1]));
      }
    }
  }

  private void attention(int tokens, int heads, int d) {
    try (Workspace w = new Workspace()) {
      Tensor q = random(w, tokens, heads * d);
      Tensor k = random(w, tokens, heads * d);
      Tensor v = random(w, tokens, heads * d);
      Tensor o = w.f32(tokens, (long) heads * d);
      Tensor lse = w.f32(1, heads, tokens);
      Tensor[] g = {w.f32(q.shape()), w.f32(q.shape()), w.f32(q.shape())};
      int[] kvOf = java.util.stream.IntStream.range(0, heads).toArray();
      var shape = new CausalAttention.Shape(1, tokens, heads, heads, d, (float) (1 / Math.sqrt(d)));
      double flops = 2.0 * tokens * tokens * d * heads;
      String name = "attention T " + tokens + ", " + heads + " heads, d " + d;
      time(
          name + " forward", flops, () -> ops.attention().forward(shape, kvOf, 0, q, k, v, o, lse));
      time(
          name + " backward",
          2.5 * flops,
          () -> ops.attention().backward(shape, kvOf, q, k, v, o, lse, v, g[0], g[1], g[2]));
    }
  }

  /** Returns time of the step form over time of the chunked form. */
  private double deltaRule(Ops with, String suffix, int tokens, int heads, int d) {
    try (Workspace w = new Workspace()) {
      Tensor q = unit(random(w, tokens, heads, d), d);
      Tensor k = unit(random(w, tokens, heads, d), d);
      Tensor v = random(w, tokens, heads, d);
      Tensor g = w.f32(tokens, heads);
      Tensor beta = w.f32(tokens, heads);
      g.fill(-0.05f);
      beta.fill(0.5f);
      Tensor state = w.zeros(1, heads, d, d);
      Tensor out = w.f32(v.shape());
      var shape = new GatedDeltaRule.Shape(1, tokens, heads, d, d);
      var in = new GatedDeltaRule.Inputs(q, k, v, g, beta);
      String name = "delta rule T " + tokens + ", " + heads + " heads, d " + d + suffix;
      double flops = (double) tokens * heads * (6.0 * d * d + 8.0 * 64 * d);
      double chunks =
          time(
              name + " chunks",
              flops,
              () -> {
                state.fill(0f);
                with.deltaRule().forward(shape, in, 0, state, out, null);
              });
      var one = new GatedDeltaRule.Shape(1, 1, heads, d, d);
      GatedDeltaRule.Inputs[] steps = new GatedDeltaRule.Inputs[tokens];
      Tensor[] outs = new Tensor[tokens];
      for (int t = 0; t < tokens; t++) {
        steps[t] =
            new GatedDeltaRule.Inputs(
                q.rows(t, 1), k.rows(t, 1), v.rows(t, 1), g.rows(t, 1), beta.rows(t, 1));
        outs[t] = out.rows(t, 1);
      }
      double step =
          time(
              name + " steps",
              (double) tokens * heads * 8.0 * d * d,
              () -> {
                state.fill(0f);
                for (int t = 0; t < tokens; t++) {
                  with.deltaRule().step(one, steps[t], state, outs[t]);
                }
              });
      return step / chunks;
    }
  }

  /**
   * Times {@code body} after a warm-up; returns the milliseconds of its best round, which is what
   * the ceilings are, and what the rounds of others do not disturb.
   */
  private double time(String name, double flops, Runnable body) {
    common.progress().begin(name, 1, "figure");
    long warm = System.nanoTime() + (long) (seconds / 4 * 1e9);
    do {
      body.run();
    } while (System.nanoTime() < warm);
    double[] ms = new double[2000];
    int n = 0;
    long end = System.nanoTime() + (long) (seconds * 1e9);
    while (n < ms.length && (n < 3 || System.nanoTime() < end)) {
      common.progress().throwIfCancelled();
      long t = System.nanoTime();
      body.run();
      ms[n++] = (System.nanoTime() - t) / 1e6;
    }
    common.progress().advance(1, "");
    common.progress().end();
    double median = Median.of(ms, n);
    double best = Median.least(ms, n);
    double gflops = flops / median / 1e6;
    table.row(
        name,
        String.format(Locale.ROOT, "%.3f", median),
        String.format(Locale.ROOT, "%.1f", gflops),
        Table.percent(gflops / ceilings.fmaGflops()),
        Table.percent(flops / best / 1e6 / ceilings.fmaGflops()));
    figures.add(
        Json.of(
            Map.of(
                "operation",
                name,
                "milliseconds",
                median,
                "best_milliseconds",
                best,
                "gflops",
                gflops,
                "of_fma",
                gflops / ceilings.fmaGflops())));
    return best;
  }

  private static Tensor random(Workspace w, long... shape) {
    Tensor t = w.f32(shape);
    SplittableRandom random = new SplittableRandom(t.size());
    for (long i = 0; i < t.size(); i++) {
      t.set(i, (float) random.nextGaussian());
    }
    return t;
  }

  private static Tensor unit(Tensor t, int d) {
    for (long i = 0; i < t.size(); i += d) {
      double norm = 0;
      for (int c = 0; c < d; c++) {
        norm += t.get(i + c) * t.get(i + c);
      }
      for (int c = 0; c < d; c++) {
        t.set(i + c, (float) (t.get(i + c) / Math.sqrt(norm)));
      }
    }
    return t;
  }
}
