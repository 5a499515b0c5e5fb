package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.Tensor;
import java.util.List;

/**
 * Several products y_i = x W_iᵀ of one input x [N, K], W_i [R_i, K]: one product of all, whose
 * result's columns are the y_i, where the operations are {@linkplain Ops#packed packed}, else one
 * after the other.
 */
final class Projections {
  /**
   * Columns to whose multiples the common result is padded: products into 7964 columns take three
   * times as long as into 8000. What is in the columns beyond the last y_i does not matter.
   */
  private static final long ROW = 64;

  /**
   * Parameters, or their gradients, also as one matrix where they are multiplied so.
   *
   * @param padded with rows that belong to nobody, up to a multiple of {@value #ROW}
   */
  record Weights(Tensor packed, Tensor padded, List<Tensor> parts) {
    static Weights of(ParameterStore s, boolean packed, List<String> names) {
      return new Weights(
          packed ? s.pack(names) : null,
          packed ? s.pack(names, ROW) : null,
          names.stream().map(s::get).toList());
    }
  }

  private final Ops ops;
  private final long[] widths;
  private final Tensor wide;
  private final Tensor[] outputs;

  Projections(Ops ops, Buffers b, long n, long... widths) {
    this.ops = ops;
    this.widths = widths;
    wide = ops.packed() ? b.elements(n, Math.ceilDiv(sum(widths), ROW) * ROW) : null;
    outputs = outputs(b, n, widths, wide);
  }

  private static long sum(long[] widths) {
    long sum = 0;
    for (long w : widths) {
      sum += w;
    }
    return sum;
  }

  private static Tensor[] outputs(Buffers b, long n, long[] widths, Tensor wide) {
    Tensor[] out = new Tensor[widths.length];
    long from = 0;
    for (int i = 0; i < out.length; i++) {
      out[i] = wide == null ? b.elements(n, widths[i]) : wide.columns(from, widths[i]);
      from += widths[i];
    }
    return out;
  }

  /** y_i [N, R_i]. */
  Tensor output(int i) {
    return outputs[i];
  }

  void forward(Tensor x, Weights w) {
    if (wide != null) {
      ops.linear().forward(x, w.padded, wide.columns(0, w.padded.dim(0)), false);
      return;
    }
    ops.linear().forwardEach(x, w.parts, outputs);
  }

  /** Gradient buffers, which layers may share. */
  static final class Gradients {
    private final Tensor wide;
    private final Tensor[] outputs;

    /** The columns beyond the last y_i, and zeros for them; null where there are none. */
    private final Tensor padding;

    private final Tensor zeros;

    Gradients(Projections p, Buffers b) {
      long n = p.outputs[0].dim(0);
      wide = p.wide == null ? null : b.elements(p.wide.shape());
      outputs = Projections.outputs(b, n, p.widths, wide);
      long used = sum(p.widths);
      boolean padded = wide != null && used < wide.dim(1);
      padding = padded ? wide.columns(used, wide.dim(1) - used) : null;
      zeros = padded ? b.elements(n, wide.dim(1) - used) : null;
    }

    /** Columns that nobody fills add nothing to rows of others, whatever weights stand there. */
    private void clearPadding() {
      if (padding == null) {
        return;
      }
      zeros.fill(0f);
      long element = zeros.dtype().bytes();
      long row = zeros.dim(1) * element;
      padding
          .memory()
          .copyRows(
              zeros.segment(),
              0,
              row,
              padding.segment(),
              0,
              padding.rowStride() * element,
              row,
              zeros.dim(0));
    }

    /** Gradient of y_i, to be filled before {@link Projections#backward}. */
    Tensor output(int i) {
      return outputs[i];
    }
  }

  /** Gradients of the parameters accumulate; that of x is assigned unless {@code dx} is null. */
  void backward(Tensor x, Weights w, Weights dw, Gradients g, Tensor dx) {
    if (wide != null) {
      g.clearPadding();
      Tensor dy = g.wide.columns(0, w.padded.dim(0));
      ops.linear().backwardWeight(dy, x, dw.padded);
      if (dx != null) {
        ops.linear().backwardInput(dy, w.padded, dx, false);
      }
      return;
    }
    for (int i = 0; i < outputs.length; i++) {
      ops.linear().backwardWeight(g.outputs[i], x, dw.parts.get(i));
      if (dx != null) {
        ops.linear().backwardInput(g.outputs[i], w.parts.get(i), dx, i > 0);
      }
    }
  }
}
