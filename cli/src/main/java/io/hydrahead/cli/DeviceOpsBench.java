package io.hydrahead.cli;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.attention.CausalAttention;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Times single operations on a device. Attention counts 2·T²·d·h forward (causal) and 2.5 times
 * that backward; the delta rule 6·d² + 8·64·d a token and head, and twice that backward.
 */
final class DeviceOpsBench {
  private static final int D = 128;

  private final Ops ops;
  private final CudaDevice device;
  private final DeviceFigures figures;

  DeviceOpsBench(Ops ops, DeviceFigures figures) {
    this.ops = ops;
    this.device = DeviceCeilings.device(ops);
    this.figures = figures;
  }

  void run() {
    gemm(16_384, 2048, 8192);
    gemm(16_384, 2048, 12_288);
    gemm(1, 2048, 12_288);
    attention(4096, 16, true);
    attention(32_768, 16, true);
    attention(4096, 2, false);
    attention(32_768, 2, true);
    attention(524_288, 2, false);
    decode(131_072, 2);
    decode(524_288, 2);
    deltaRule(1, 32_768, 16);
    deltaRule(4, 4096, 14);
  }

  private void gemm(int rows, int inner, int columns) {
    try (Workspace w = new Workspace(ops.memory())) {
      Tensor x = random(w, rows, inner);
      Tensor m = random(w, columns, inner);
      Tensor y = w.allocate(ops.activations(), rows, columns);
      double ms = time(() -> ops.linear().forward(x, m, y, false));
      double bytes = rows <= 16 ? m.bytes() : 0;
      figures.add(
          "product",
          rows + "×" + inner + "×" + columns,
          0,
          ms,
          2.0 * rows * inner * columns,
          bytes,
          Map.of());
    }
  }

  private void attention(int tokens, int heads, boolean backward) {
    try (Workspace w = new Workspace(ops.memory())) {
      int kvHeads = Math.max(1, heads / 2);
      Tensor q = random(w, tokens, (long) heads * D);
      Tensor k = random(w, tokens, (long) kvHeads * D);
      Tensor v = random(w, tokens, (long) kvHeads * D);
      Tensor o = w.allocate(ops.activations(), q.shape());
      Tensor lse = w.f32(1, heads, tokens);
      int[] kvOf = IntStream.range(0, heads).map(h -> h * kvHeads / heads).toArray();
      CausalAttention.Shape s = shape(tokens, heads, kvHeads);
      double flops = 2.0 * tokens * tokens * D * heads;
      String label = tokens + ", " + heads + " heads";
      double ms = time(() -> ops.attention().forward(s, kvOf, 0, q, k, v, o, lse));
      figures.add("attention", label, tokens, ms, flops, 0, Map.of("heads", heads));
      if (backward) {
        Tensor dq = w.allocate(ops.activations(), q.shape());
        Tensor dk = w.allocate(ops.activations(), k.shape());
        Tensor dv = w.allocate(ops.activations(), k.shape());
        ms = time(() -> ops.attention().backward(s, kvOf, q, k, v, o, lse, q, dq, dk, dv));
        figures.add(
            "attention backward", label, tokens, ms, 2.5 * flops, 0, Map.of("heads", heads));
      }
    }
  }

  private void decode(int context, int heads) {
    try (Workspace w = new Workspace(ops.memory())) {
      int kvHeads = Math.max(1, heads / 2);
      Tensor q = random(w, 1, (long) heads * D);
      Tensor k = random(w, kvHeads, context, D);
      Tensor v = random(w, kvHeads, context, D);
      Tensor o = w.allocate(ops.activations(), q.shape());
      int[] kvOf = IntStream.range(0, heads).map(h -> h * kvHeads / heads).toArray();
      CausalAttention.Shape s = shape(1, heads, kvHeads);
      double ms = time(() -> ops.attention().forward(s, kvOf, context - 1, q, k, v, o, null));
      figures.add(
          "attention of one token",
          context + ", " + heads + " heads",
          1,
          ms,
          0,
          k.bytes() + v.bytes(),
          Map.of("heads", heads));
    }
  }

  private static CausalAttention.Shape shape(int tokens, int heads, int kvHeads) {
    return new CausalAttention.Shape(1, tokens, heads, kvHeads, D, (float) (1 / Math.sqrt(D)));
  }

  private void deltaRule(int batch, int tokens, int heads) {
    try (Workspace w = new Workspace(ops.memory())) {
      long n = (long) batch * tokens;
      long width = (long) heads * D;
      DType type = ops.activations();
      Tensor q = unit(w, n, heads);
      Tensor k = unit(w, n, heads);
      Tensor v = random(w, n, width);
      Tensor g = w.f32(n, heads);
      g.fill(-0.05f);
      Tensor beta = w.f32(n, heads);
      beta.fill(0.5f);
      Tensor state = w.zeros(batch, heads, D, D);
      Tensor out = w.allocate(type, n, width);
      GatedDeltaRule.Shape s = new GatedDeltaRule.Shape(batch, tokens, heads, D, D);
      GatedDeltaRule.Inputs in = new GatedDeltaRule.Inputs(q, k, v, g, beta);
      double flops = n * heads * (6.0 * D * D + 8.0 * 64 * D);
      String label = batch + "×" + tokens + ", " + heads + " heads";
      double inference = time(() -> ops.deltaRule().forward(s, in, 0, state, out, null));
      figures.add("delta rule", label, n, inference, flops, 0, Map.of("heads", heads));
      Tensor saved = w.f32(ops.deltaRule().savedFloats(s));
      state.fill(0f);
      double forward = time(() -> ops.deltaRule().forward(s, in, 0, state, out, saved));
      figures.add("delta rule, training", label, n, forward, flops, 0, Map.of("heads", heads));
      GatedDeltaRule.Inputs grads =
          new GatedDeltaRule.Inputs(
              w.allocate(type, n, width),
              w.allocate(type, n, width),
              w.allocate(type, n, width),
              w.f32(n, heads),
              w.f32(n, heads));
      Tensor dState = w.zeros(batch, heads, D, D);
      double backward = time(() -> ops.deltaRule().backward(s, in, saved, v, dState, grads));
      figures.add("delta rule backward", label, n, backward, 2 * flops, 0, Map.of("heads", heads));
    }
  }

  private Tensor random(Workspace w, long... shape) {
    return DeviceFigures.random(w, ops.activations(), shape);
  }

  /** Rows of heads of length 1. */
  private Tensor unit(Workspace w, long rows, int heads) {
    Tensor t = random(w, rows, (long) heads * D);
    Tensor head = t.view(rows * heads, D);
    ops.l2Norm().forward(head, 1e-6f, head, null);
    return t;
  }

  private double time(Runnable work) {
    return DeviceCeilings.milliseconds(device, 7, work);
  }
}
