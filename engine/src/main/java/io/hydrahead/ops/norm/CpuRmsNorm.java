package io.hydrahead.ops.norm;

import static io.hydrahead.ops.Floats.get;
import static io.hydrahead.ops.Floats.set;

import io.hydrahead.ops.Floats;
import io.hydrahead.ops.Rows;
import io.hydrahead.ops.Scratch;
import io.hydrahead.ops.Slices;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Simd;
import io.hydrahead.tensor.Tensor;
import java.util.function.IntConsumer;

/** {@link RmsNorm} on the CPU: slices of rows, each with its own partial dw. */
public final class CpuRmsNorm implements RmsNorm {
  private static final boolean SIMD = Simd.available();

  private final ComputePool pool;
  private final Scratch widened = new Scratch();
  private final Scratch partials = new Scratch();
  private final IntConsumer forwardTask = this::forwardSlice;
  private final IntConsumer backwardTask = this::backwardSlice;

  // The work under way; the tensors are fields so that their memory stays alive.
  private Tensor x;
  private Tensor y;
  private Tensor rstd;
  private Tensor dx;
  private long weights;
  private long dwPartials;
  private float eps;
  private boolean accumulating;
  private int c;
  private int n;
  private int slices;

  public CpuRmsNorm(ComputePool pool) {
    this.pool = pool;
  }

  @Override
  public synchronized void forward(Tensor x, Tensor w, float eps, Tensor y, Tensor rstd) {
    prepare(NormShape.check(x, w, y, rstd), x, w, y, rstd);
    this.eps = eps;
    pool.run(slices, forwardTask);
  }

  private void prepare(int c, Tensor x, Tensor w, Tensor y, Tensor rstd) {
    this.c = c;
    this.x = x;
    this.y = y;
    this.rstd = rstd;
    weights = Floats.widened(w, widened);
    n = c == 0 ? 0 : (int) (x.size() / c);
    slices = Slices.count(n, c);
  }

  private void forwardSlice(int slice) {
    long row = 4L * c;
    long end = Slices.first(slice + 1, slices, n);
    long in = Floats.address(x);
    long out = Floats.address(y);
    long reciprocals = Floats.address(rstd);
    for (long r = Slices.first(slice, slices, n); r < end; r++) {
      float squares = Rows.dot(in + r * row, in + r * row, c);
      float reciprocal = (float) (1 / Math.sqrt((double) squares / c + eps));
      Rows.scale(reciprocal, in + r * row, weights, out + r * row, c);
      if (reciprocals != 0) {
        set(reciprocals + 4 * r, reciprocal);
      }
    }
  }

  @Override
  public synchronized void backward(
      Tensor x, Tensor w, Tensor rstd, Tensor dy, Tensor dx, boolean accumulate, Tensor dw) {
    prepare(NormShape.checkBackward(x, w, rstd, dy, dx, dw), x, w, dy, rstd);
    this.dx = dx;
    accumulating = accumulate;
    dwPartials = partials.zeros((long) slices * c);
    pool.run(slices, backwardTask);
    Rows.reduce(dwPartials, slices, c, Floats.address(dw), c);
  }

  private void backwardSlice(int slice) {
    long row = 4L * c;
    long end = Slices.first(slice + 1, slices, n);
    long in = Floats.address(x);
    long upstream = Floats.address(y);
    long out = Floats.address(dx);
    long reciprocals = Floats.address(rstd);
    long dw = dwPartials + slice * row;
    for (long r = Slices.first(slice, slices, n); r < end; r++) {
      float reciprocal = get(reciprocals + 4 * r);
      float projection = sums(in + r * row, upstream + r * row, reciprocal, dw);
      float slope = -reciprocal * reciprocal * reciprocal * projection / c;
      input(in + r * row, upstream + r * row, reciprocal, slope, out + r * row);
    }
  }

  /** dw += dy x rstd; returns Σ dy w x. */
  private float sums(long x, long dy, float rstd, long dw) {
    float sum = SIMD ? VectorNorm.sums(x, weights, dy, rstd, dw, c) : 0f;
    for (long i = 4 * Rows.whole(c); i < 4L * c; i += 4) {
      float product = get(dy + i) * get(x + i);
      set(dw + i, Math.fma(product, rstd, get(dw + i)));
      sum = Math.fma(product, get(weights + i), sum);
    }
    return sum;
  }

  /** dx (+)= rstd dy w + slope x. */
  private void input(long x, long dy, float rstd, float slope, long dx) {
    if (SIMD) {
      VectorNorm.input(x, weights, dy, rstd, slope, dx, c, accumulating);
    }
    for (long i = 4 * Rows.whole(c); i < 4L * c; i += 4) {
      float g = Math.fma(slope, get(x + i), rstd * get(dy + i) * get(weights + i));
      set(dx + i, accumulating ? get(dx + i) + g : g);
    }
  }
}
