package io.hydrahead.ops.fusion;

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

/**
 * {@link HeadFusion} on the CPU: slices of rows, each with its own partial dBias and dγ. The gates
 * of a row are computed first, into scratch memory of the slice.
 */
public final class CpuHeadFusion implements HeadFusion {
  private static final boolean SIMD = Simd.available();

  private final ComputePool pool;
  private final Scratch partials = new Scratch();
  private final Scratch rowGates = new Scratch();
  private final IntConsumer forwardTask = this::forwardSlice;
  private final IntConsumer backwardTask = this::backwardSlice;

  // The work under way; the tensors are fields so that their memory stays alive.
  private Switches switches;
  private Tensor o;
  private Tensor z;
  private Tensor bias;
  private Tensor gamma;
  private Tensor wide;
  private Tensor rstd;
  private Tensor dO;
  private Tensor dZ;
  private int[] heads;
  private int d;
  private int n;
  private long wideRow;
  private int slices;
  private long opened;
  private long sums;

  public CpuHeadFusion(ComputePool pool) {
    this.pool = pool;
  }

  @Override
  public synchronized void forward(
      Switches s,
      Tensor o,
      Tensor z,
      Tensor bias,
      Tensor gamma,
      int[] heads,
      int headDim,
      Tensor out,
      Tensor rstd) {
    n = FusionShape.check(s, o, z, bias, gamma, heads, headDim, out, rstd);
    prepare(s, o, z, bias, gamma, heads, headDim, out, rstd);
    pool.run(slices, forwardTask);
  }

  private void prepare(
      Switches s,
      Tensor o,
      Tensor z,
      Tensor bias,
      Tensor gamma,
      int[] heads,
      int headDim,
      Tensor wide,
      Tensor rstd) {
    switches = s;
    this.o = o;
    this.z = s.gate() ? z : null;
    this.bias = s.gate() ? bias : null;
    this.gamma = s.gamma() ? gamma : null;
    this.heads = heads;
    d = headDim;
    this.wide = wide;
    this.rstd = s.norm() ? rstd : null;
    wideRow = n == 0 ? 0 : wide.size() / n;
    long row = (long) heads.length * headDim;
    slices = Slices.count(n, row);
    opened = s.gate() ? rowGates.floats(slices * row) : 0;
  }

  private void forwardSlice(int slice) {
    long end = Slices.first(slice + 1, slices, n);
    long in = Floats.address(o);
    long gammas = Floats.address(gamma);
    long out = Floats.address(wide);
    long reciprocals = Floats.address(rstd);
    long open = opened + 4L * slice * heads.length * d;
    for (long r = Slices.first(slice, slices, n); r < end; r++) {
      open(r, open);
      for (int j = 0; j < heads.length; j++) {
        long head = r * heads.length + j;
        long at = 4 * head * d;
        float scale = 1f;
        if (switches.norm()) {
          float squares = Rows.dot(in + at, in + at, d);
          scale = (float) (1 / Math.sqrt((double) squares / d + switches.eps()));
          if (reciprocals != 0) {
            set(reciprocals + 4 * head, scale);
          }
        }
        if (gammas != 0) {
          scale *= get(gammas + 4L * heads[j]);
        }
        long to = out + 4 * (r * wideRow + (long) heads[j] * d);
        if (opened == 0) {
          Rows.scale(scale, in + at, to, d);
        } else {
          Rows.scale(scale, in + at, open + 4L * j * d, to, d);
        }
      }
    }
  }

  /** open = σ(z + bias) for the heads of row r. */
  private void open(long r, long open) {
    if (opened == 0) {
      return;
    }
    int count = heads.length * d;
    long gates = Floats.address(z) + 4 * r * count;
    long biases = Floats.address(bias);
    if (SIMD) {
      VectorFusion.open(gates, biases, open, count);
    }
    for (long i = 4 * Rows.whole(count); i < 4L * count; i += 4) {
      float x = get(gates + i) + (biases == 0 ? 0f : get(biases + i));
      set(open + i, (float) (1 / (1 + Math.exp(-x))));
    }
  }

  @Override
  public synchronized void backward(
      Switches s,
      Tensor o,
      Tensor z,
      Tensor bias,
      Tensor gamma,
      int[] heads,
      int headDim,
      Tensor rstd,
      Tensor dOut,
      Tensor dO,
      Tensor dZ,
      Tensor dBias,
      Tensor dGamma) {
    n =
        FusionShape.checkBackward(
            s, o, z, bias, gamma, heads, headDim, rstd, dOut, dO, dZ, dBias, dGamma);
    prepare(s, o, z, bias, gamma, heads, headDim, dOut, rstd);
    this.dO = dO;
    this.dZ = s.gate() ? dZ : null;
    int biasLength = heads.length * d;
    int stride = biasLength + heads.length;
    sums = partials.zeros((long) slices * stride);
    pool.run(slices, backwardTask);
    if (s.gate() && dBias != null) {
      Rows.reduce(sums, slices, stride, Floats.address(dBias), biasLength);
    }
    for (int j = 0; s.gamma() && j < heads.length; j++) {
      long partial = sums + 4L * (biasLength + j);
      Rows.reduce(partial, slices, stride, Floats.address(dGamma) + 4L * heads[j], 1);
    }
  }

  private void backwardSlice(int slice) {
    long end = Slices.first(slice + 1, slices, n);
    long in = Floats.address(o);
    long gammas = Floats.address(gamma);
    long upstream = Floats.address(wide);
    long reciprocals = Floats.address(rstd);
    long to = Floats.address(dO);
    long toGates = Floats.address(dZ);
    long biasSums = sums + 4L * slice * (heads.length * d + heads.length);
    long gammaSums = biasSums + 4L * heads.length * d;
    long open = opened + 4L * slice * heads.length * d;
    for (long r = Slices.first(slice, slices, n); r < end; r++) {
      open(r, open);
      for (int j = 0; j < heads.length; j++) {
        long head = r * heads.length + j;
        long at = 4 * head * d;
        long column = 4L * j * d;
        long dOut = upstream + 4 * (r * wideRow + (long) heads[j] * d);
        float reciprocal = reciprocals == 0 ? 1f : get(reciprocals + 4 * head);
        float scale = gammas == 0 ? 1f : get(gammas + 4L * heads[j]);
        float sum;
        if (opened == 0) {
          sum = Rows.dot(dOut, in + at, d);
          Rows.scale(scale, dOut, to + at, d);
        } else {
          sum =
              gated(
                  scale,
                  reciprocal,
                  in + at,
                  open + column,
                  dOut,
                  to + at,
                  toGates + at,
                  biasSums + column);
        }
        sum *= reciprocal;
        Floats.add(gammaSums + 4L * j, sum);
        if (switches.norm()) {
          float slope = -reciprocal * reciprocal * scale * sum / d;
          Rows.combine(reciprocal, to + at, slope, in + at, to + at, d);
        }
      }
    }
  }

  /** dO = scale dOut open, dz = scale dOut o rstd open (1 − open); returns Σ dOut o open. */
  private float gated(
      float scale, float rstd, long o, long open, long dOut, long dO, long dZ, long dBias) {
    float sum = SIMD ? VectorFusion.gated(scale, rstd, o, open, dOut, dO, dZ, dBias, d) : 0f;
    for (long i = 4 * Rows.whole(d); i < 4L * d; i += 4) {
      float s = get(open + i);
      float passed = get(dOut + i) * s;
      float x = get(o + i);
      float dz = scale * rstd * passed * x * (1 - s);
      set(dO + i, scale * passed);
      set(dZ + i, dz);
      Floats.add(dBias + i, dz);
      sum = Math.fma(passed, x, sum);
    }
    return sum;
  }
}
