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
  private final IntConsumer addForwardTask = this::addForwardSlice;
  private final IntConsumer backwardTask = this::backwardSlice;

  // The work under way; the tensors are fields so that their memory stays alive.
  private Tensor x;
  private Tensor y;
  private Tensor rstd;
  private Tensor dx;
  private Tensor added;
  private Tensor total;
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

  @Override
  public synchronized void addForward(
      Tensor x, Tensor a, Tensor w, float eps, Tensor sum, Tensor y, Tensor rstd) {
    NormShape.check(x, w, a, rstd);
    prepare(NormShape.check(sum, w, y, rstd), x, w, y, rstd);
    this.eps = eps;
    added = a;
    total = sum;
    pool.run(slices, addForwardTask);
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

  private void addForwardSlice(int slice) {
    long row = 4L * c;
    long first = Slices.first(slice, slices, n);
    long end = Slices.first(slice + 1, slices, n);
    long sum = Floats.address(total);
    long at = first * row;
    Rows.combine(
        1f, Floats.address(x) + at, 1f, Floats.address(added) + at, sum + at, (end - first) * c);
    normalise(sum, first, end);
  }

  private void forwardSlice(int slice) {
    normalise(
        Floats.address(x), Slices.first(slice, slices, n), Slices.first(slice + 1, slices, n));
  }

  private void normalise(long in, long first, long end) {
    long row = 4L * c;
    long out = Floats.address(y);
    long reciprocals = Floats.address(rstd);
    for (long r = first; r < end; r++) {
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
      backwardRow(
          in + r * row,
          weights,
          upstream + r * row,
          reciprocal,
          dw,
          out + r * row,
          c,
          accumulating);
    }
  }

  /** One row of {@code c} floats of the backward pass, by address. */
  public static void backwardRow(
      long x, long w, long dy, float rstd, long dw, long dx, int c, boolean accumulate) {
    float projection = sums(x, w, dy, rstd, dw, c);
    float slope = -rstd * rstd * rstd * projection / c;
    input(x, w, dy, rstd, slope, dx, c, accumulate);
  }

  /** dw += dy x rstd; returns Σ dy w x. */
  private static float sums(long x, long w, long dy, float rstd, long dw, int c) {
    float sum = SIMD ? VectorNorm.sums(x, w, dy, rstd, dw, c) : 0f;
    for (long i = 4 * Rows.whole(c); i < 4L * c; i += 4) {
      float product = get(dy + i) * get(x + i);
      set(dw + i, Math.fma(product, rstd, get(dw + i)));
      sum = Math.fma(product, get(w + i), sum);
    }
    return sum;
  }

  /** dx (+)= rstd dy w + slope x. */
  private static void input(
      long x, long w, long dy, float rstd, float slope, long dx, int c, boolean accumulate) {
    if (SIMD) {
      VectorNorm.input(x, w, dy, rstd, slope, dx, c, accumulate);
    }
    for (long i = 4 * Rows.whole(c); i < 4L * c; i += 4) {
      float g = Math.fma(slope, get(x + i), rstd * get(dy + i) * get(w + i));
      set(dx + i, accumulate ? get(dx + i) + g : g);
    }
  }
}
