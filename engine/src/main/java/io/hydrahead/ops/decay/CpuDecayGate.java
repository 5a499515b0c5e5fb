package io.hydrahead.ops.decay;

import static io.hydrahead.ops.Floats.get;
import static io.hydrahead.ops.Floats.set;

import io.hydrahead.ops.Floats;
import io.hydrahead.ops.Scratch;
import io.hydrahead.ops.Slices;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Simd;
import io.hydrahead.tensor.Tensor;
import java.util.function.IntConsumer;

/**
 * {@link DecayGate} on the CPU. Rows are short (one float a head), so vectors run over the flat array
 * in groups of {@value #GROUP} rows: −exp(A_log) and dt_bias are spread out once to the length of such
 * a group, and so are the partial sums of their gradients.
 */
public final class CpuDecayGate implements DecayGate {
  private static final boolean SIMD = Simd.available();

  /** Rows of a group: a multiple of every vector length. */
  static final int GROUP = 64;

  private final ComputePool pool;
  private final Scratch pattern = new Scratch();
  private final Scratch partials = new Scratch();
  private final IntConsumer forwardTask = this::forwardSlice;
  private final IntConsumer backwardTask = this::backwardSlice;

  // The work under way; the tensors are fields so that their memory stays alive.
  private Tensor a;
  private Tensor b;
  private Tensor g;
  private Tensor beta;
  private Tensor da;
  private Tensor db;
  private float betaMax;
  private int h;
  private long n;
  private long groups;
  private int slices;
  private long rates;
  private long biases;
  private long sums;

  public CpuDecayGate(ComputePool pool) {
    this.pool = pool;
  }

  @Override
  public synchronized void forward(
      Tensor a, Tensor b, Tensor aLog, Tensor dtBias, float betaMax, Tensor g, Tensor beta) {
    prepare(DecayShape.check(a, b, aLog, dtBias, g, beta), a, b, aLog, dtBias, g, beta);
    this.betaMax = betaMax;
    pool.run(slices, forwardTask);
  }

  private void prepare(
      int h, Tensor a, Tensor b, Tensor aLog, Tensor dtBias, Tensor g, Tensor beta) {
    this.h = h;
    this.a = a;
    this.b = b;
    this.g = g;
    this.beta = beta;
    n = h == 0 ? 0 : a.size() / h;
    groups = (n + GROUP - 1) / GROUP;
    slices = Slices.count(groups, 8L * GROUP * h); // about as dear as eight plain operations
    int length = (int) Math.min(n, GROUP) * h;
    rates = pattern.floats(2L * length);
    biases = rates + 4L * length;
    for (int head = 0; head < h && length > 0; head++) {
      set(rates + 4L * head, (float) -Math.exp(aLog.get(head)));
      set(biases + 4L * head, dtBias.get(head));
    }
    for (int i = h; i < length; i++) {
      set(rates + 4L * i, get(rates + 4L * (i - h)));
      set(biases + 4L * i, get(biases + 4L * (i - h)));
    }
  }

  private void forwardSlice(int slice) {
    long end = Slices.first(slice + 1, slices, groups);
    for (long group = Slices.first(slice, slices, groups); group < end; group++) {
      long at = 4 * group * GROUP * h;
      int count = (int) Math.min(GROUP, n - group * GROUP) * h;
      forward(
          Floats.address(a) + at, Floats.address(b) + at, Floats.address(g) + at,
          Floats.address(beta) + at, count);
    }
  }

  private void forward(long a, long b, long g, long beta, int count) {
    int done = SIMD ? VectorDecay.forward(a, b, rates, biases, betaMax, g, beta, count) : 0;
    for (long i = 4L * done; i < 4L * count; i += 4) {
      set(g + i, get(rates + i) * softplus(get(a + i) + get(biases + i)));
      set(beta + i, betaMax * sigmoid(get(b + i)));
    }
  }

  @Override
  public synchronized void backward(
      Tensor a, Tensor b, Tensor aLog, Tensor dtBias, float betaMax, Tensor dg, Tensor dBeta,
      Tensor da, Tensor db, Tensor dALog, Tensor dDtBias) {
    int heads = DecayShape.checkBackward(a, b, aLog, dtBias, dg, dBeta, da, db, dALog, dDtBias);
    prepare(heads, a, b, aLog, dtBias, dg, dBeta);
    this.betaMax = betaMax;
    this.da = da;
    this.db = db;
    int length = GROUP * h;
    sums = partials.zeros(2L * slices * length);
    pool.run(slices, backwardTask);
    fold(sums, Floats.address(dALog));
    fold(sums + 4L * length, Floats.address(dDtBias));
  }

  /** Adds to each head's sum the partial sums of its places in the group, slice by slice. */
  private void fold(long partial, long to) {
    int length = GROUP * h;
    for (int head = 0; head < h; head++) {
      double sum = get(to + 4L * head);
      for (int s = 0; s < slices; s++) {
        for (int i = head; i < length; i += h) {
          sum += get(partial + 4 * (2L * s * length + i));
        }
      }
      set(to + 4L * head, (float) sum);
    }
  }

  private void backwardSlice(int slice) {
    long end = Slices.first(slice + 1, slices, groups);
    long logSums = sums + 8L * slice * GROUP * h;
    for (long group = Slices.first(slice, slices, groups); group < end; group++) {
      long at = 4 * group * GROUP * h;
      int count = (int) Math.min(GROUP, n - group * GROUP) * h;
      backward(
          Floats.address(a) + at, Floats.address(g) + at, Floats.address(da) + at, logSums, count);
      strength(
          Floats.address(b) + at, Floats.address(beta) + at, Floats.address(db) + at, count);
    }
  }

  private void backward(long a, long dg, long da, long logSums, int count) {
    long biasSums = logSums + 4L * GROUP * h;
    int done =
        SIMD ? VectorDecay.backward(a, rates, biases, dg, da, logSums, biasSums, count) : 0;
    for (long i = 4L * done; i < 4L * count; i += 4) {
      float dt = get(a + i) + get(biases + i);
      float scaled = get(rates + i) * get(dg + i);
      float slope = scaled * sigmoid(dt);
      Floats.add(logSums + i, scaled * softplus(dt));
      Floats.add(biasSums + i, slope);
      set(da + i, slope);
    }
  }

  private void strength(long b, long dBeta, long db, int count) {
    int done = SIMD ? VectorDecay.strength(b, betaMax, dBeta, db, count) : 0;
    for (long i = 4L * done; i < 4L * count; i += 4) {
      float s = sigmoid(get(b + i));
      set(db + i, betaMax * get(dBeta + i) * s * (1 - s));
    }
  }

  private static float softplus(float x) {
    return (float) (Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))));
  }

  private static float sigmoid(float x) {
    return (float) (1 / (1 + Math.exp(-x)));
  }
}
