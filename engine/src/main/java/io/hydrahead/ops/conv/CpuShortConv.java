package io.hydrahead.ops.conv;

import static io.hydrahead.ops.Floats.get;
import static io.hydrahead.ops.Floats.set;

import io.hydrahead.ops.Floats;
import io.hydrahead.ops.Rows;
import io.hydrahead.ops.Scratch;
import io.hydrahead.ops.Slices;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.NativeMemory;
import io.hydrahead.tensor.Simd;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.function.IntConsumer;

/** {@link ShortConv} on the CPU: rows are sums of k products with the rows of wᵀ [k, C]. */
public final class CpuShortConv implements ShortConv {
  private static final boolean SIMD = Simd.available();

  private final ComputePool pool;
  private final Scratch transposed = new Scratch();
  private final Scratch partials = new Scratch();
  private final Scratch lines = new Scratch();
  private final IntConsumer forwardTask = this::forwardSlice;
  private final IntConsumer slopeTask = this::slopeSlice;
  private final IntConsumer backwardTask = this::backwardSlice;

  // The work under way; the tensors are fields so that their memory stays alive.
  private Tensor x;
  private Tensor y;
  private Tensor dx;
  private Tensor state;
  private Activation activation;
  private int tokens;
  private int channels;
  private int k;
  private long rows;
  private int slices;
  private long weights;
  private long sums;

  /** A row a slice, for sums of the forward pass made again. */
  private long again;

  public CpuShortConv(ComputePool pool) {
    this.pool = pool;
  }

  @Override
  public synchronized void forward(
      int batch, int tokens, Tensor x, Tensor w, Activation f, Tensor state, Tensor y) {
    prepare(batch, tokens, x, w, y);
    activation = f;
    ConvShape.checkState(batch, w, state);
    this.state = state;
    pool.run(slices, forwardTask);
    for (int b = 0; b < batch; b++) {
      remember(b);
    }
  }

  private void prepare(int batch, int tokens, Tensor x, Tensor w, Tensor y) {
    k = ConvShape.check(batch, tokens, x, w, y);
    this.tokens = tokens;
    this.x = x;
    this.y = y;
    channels = w.size(0);
    rows = (long) batch * tokens;
    slices = Slices.count(rows, (long) channels * k);
    weights = transposed.floats(w.size());
    long from = Floats.address(w);
    for (int c = 0; c < channels; c++) {
      for (int j = 0; j < k; j++) {
        set(weights + 4L * (j * channels + c), get(from + 4L * (c * k + j)));
      }
    }
  }

  private void forwardSlice(int slice) {
    long row = 4L * channels;
    long in = Floats.address(x);
    long out = Floats.address(y);
    long end = Slices.first(slice + 1, slices, rows);
    for (long r = Slices.first(slice, slices, rows); r < end; r++) {
      long b = r / tokens;
      long t = r % tokens;
      for (int j = 0; j < k; j++) {
        long earlier = t + j - (k - 1);
        long source = earlier < 0 ? history(b, earlier + k - 1) : in + (r - t + earlier) * row;
        Rows.multiply(weights + j * row, source, out + r * row, channels, j > 0);
      }
      if (activation == Activation.SILU) {
        silu(out + r * row, channels);
      }
    }
  }

  /** x = x σ(x). */
  private static void silu(long x, long n) {
    if (SIMD) {
      VectorConv.silu(x, n);
    }
    for (long i = Rows.whole(n); i < n; i++) {
      float v = get(x + 4 * i);
      set(x + 4 * i, v * sigmoid(v));
    }
  }

  /** dy = dy σ(x) (1 + x (1 − σ(x))). */
  private static void slope(long x, long dy, long n) {
    if (SIMD) {
      VectorConv.slope(x, dy, n);
    }
    for (long i = Rows.whole(n); i < n; i++) {
      float v = get(x + 4 * i);
      float s = sigmoid(v);
      set(dy + 4 * i, get(dy + 4 * i) * Math.fma(v * s, 1 - s, s));
    }
  }

  private static float sigmoid(float x) {
    return (float) (1 / (1 + Math.exp(-x)));
  }

  /** The upstream gradient, in {@link #y}, becomes that of the sums. */
  private void slopeSlice(int slice) {
    long row = 4L * channels;
    long in = Floats.address(x);
    long upstream = Floats.address(y);
    long line = again + slice * row;
    long end = Slices.first(slice + 1, slices, rows);
    for (long r = Slices.first(slice, slices, rows); r < end; r++) {
      long first = Math.max(0, k - 1 - r % tokens);
      for (long j = first; j < k; j++) {
        long source = in + (r + j - (k - 1)) * row;
        Rows.multiply(weights + j * row, source, line, channels, j > first);
      }
      slope(line, upstream + r * row, channels);
    }
  }

  private long history(long b, long i) {
    return Floats.address(state) + 4L * (b * (k - 1) + i) * channels;
  }

  /** The last k − 1 inputs become the state; short pieces push older ones forward. */
  private void remember(int b) {
    long row = 4L * channels;
    long in = Floats.address(x) + (long) b * tokens * row;
    for (int i = 0; i < k - 1; i++) {
      int t = tokens + i - (k - 1);
      long source = t < 0 ? history(b, tokens + i) : in + t * row;
      MemorySegment.copy(NativeMemory.ALL, source, NativeMemory.ALL, history(b, i), row);
    }
  }

  @Override
  public synchronized void backward(
      int batch, int tokens, Tensor x, Tensor w, Activation f, Tensor dy, Tensor dx, Tensor dw) {
    prepare(batch, tokens, x, w, dy);
    TensorChecks.same("dx", dx, x.size(), x);
    TensorChecks.floats("dw", dw, w.size());
    this.dx = dx;
    if (f == Activation.SILU) {
      again = lines.floats((long) slices * channels);
      pool.run(slices, slopeTask);
    }
    sums = partials.zeros(slices * w.size());
    pool.run(slices, backwardTask);
    long to = Floats.address(dw);
    for (int c = 0; c < channels; c++) {
      for (int j = 0; j < k; j++) {
        long partial = sums + 4L * (j * channels + c);
        Rows.reduce(partial, slices, w.size(), to + 4L * (c * k + j), 1);
      }
    }
  }

  private void backwardSlice(int slice) {
    long row = 4L * channels;
    long in = Floats.address(x);
    long upstream = Floats.address(y);
    long out = Floats.address(dx);
    long dw = sums + slice * k * row;
    long end = Slices.first(slice + 1, slices, rows);
    for (long r = Slices.first(slice, slices, rows); r < end; r++) {
      long t = r % tokens;
      for (int j = k - 1; j >= 0; j--) {
        long later = r + k - 1 - j; // the output that saw this input through w[c, j]
        if (t + k - 1 - j < tokens) {
          long g = upstream + later * row;
          Rows.multiply(in + r * row, g, dw + j * row, channels, true);
          Rows.multiply(weights + j * row, g, out + r * row, channels, j < k - 1);
        }
      }
    }
  }
}
