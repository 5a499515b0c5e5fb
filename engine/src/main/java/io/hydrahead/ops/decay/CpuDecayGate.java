package io.hydrahead.ops.decay;

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
 * {@link DecayGate} on the CPU. Rows are short (one float a head), so vectors run over the flat
 * array in groups of {@value #GROUP} rows: −exp(A_log) and dt_bias are spread out once to the
 * length of such a group, and so are the partial sums of their gradients. Each function is a task
 * of its own: together they would be more than the compiler takes at once.
 */
public final class CpuDecayGate implements DecayGate {
  private static final boolean SIMD = Simd.available();

  /** Rows of a group: a multiple of every vector length. */
  static final int GROUP = 64;

  private final ComputePool pool;
  private final Scratch pattern = new Scratch();
  private final Scratch partials = new Scratch();
  private final IntConsumer decayTask = this::decaySlice;
  private final IntConsumer strengthTask = this::strengthSlice;
  private final IntConsumer logGradientTask = this::logGradientSlice;
  private final IntConsumer decayGradientTask = this::decayGradientSlice;
  private final IntConsumer strengthGradientTask = this::strengthGradientSlice;

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
    pool.run(slices, decayTask);
    pool.run(slices, strengthTask);
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

  private int groupSize(long group) {
    return (int) Math.min(GROUP, n - group * GROUP) * h;
  }

  /** g = −exp(A_log) softplus(a + dt_bias). */
  private void decaySlice(int slice) {
    long end = Slices.first(slice + 1, slices, groups);
    for (long group = Slices.first(slice, slices, groups); group < end; group++) {
      long at = 4 * group * GROUP * h;
      long from = Floats.address(a) + at;
      long to = Floats.address(g) + at;
      int count = groupSize(group);
      if (SIMD) {
        VectorDecay.decay(from, rates, biases, to, count);
      }
      for (long i = 4 * Rows.whole(count); i < 4L * count; i += 4) {
        set(to + i, get(rates + i) * softplus(get(from + i) + get(biases + i)));
      }
    }
  }

  /** β = betaMax σ(b). */
  private void strengthSlice(int slice) {
    long from = 4 * Slices.first(slice, slices, groups) * GROUP * h;
    long end = 4 * Math.min(n, Slices.first(slice + 1, slices, groups) * GROUP) * h;
    long count = (end - from) / 4;
    long in = Floats.address(b) + from;
    long to = Floats.address(beta) + from;
    if (SIMD) {
      VectorDecay.strength(in, betaMax, to, count);
    }
    for (long i = 4 * Rows.whole(count); i < 4 * count; i += 4) {
      set(to + i, betaMax * sigmoid(get(in + i)));
    }
  }

  @Override
  public synchronized void backward(
      Tensor a,
      Tensor b,
      Tensor aLog,
      Tensor dtBias,
      float betaMax,
      Tensor dg,
      Tensor dBeta,
      Tensor da,
      Tensor db,
      Tensor dALog,
      Tensor dDtBias) {
    int heads = DecayShape.checkBackward(a, b, aLog, dtBias, dg, dBeta, da, db, dALog, dDtBias);
    prepare(heads, a, b, aLog, dtBias, dg, dBeta);
    this.betaMax = betaMax;
    this.da = da;
    this.db = db;
    int length = GROUP * h;
    sums = partials.zeros(2L * slices * length);
    pool.run(slices, logGradientTask);
    pool.run(slices, decayGradientTask);
    pool.run(slices, strengthGradientTask);
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

  /** dA_log += dg g. */
  private void logGradientSlice(int slice) {
    long end = Slices.first(slice + 1, slices, groups);
    long logSums = sums + 8L * slice * GROUP * h;
    for (long group = Slices.first(slice, slices, groups); group < end; group++) {
      long at = 4 * group * GROUP * h;
      long in = Floats.address(a) + at;
      long dg = Floats.address(g) + at;
      int count = groupSize(group);
      if (SIMD) {
        VectorDecay.logGradient(in, rates, biases, dg, logSums, count);
      }
      for (long i = 4 * Rows.whole(count); i < 4L * count; i += 4) {
        float dt = get(in + i) + get(biases + i);
        Floats.add(logSums + i, get(rates + i) * get(dg + i) * softplus(dt));
      }
    }
  }

  /** da = −exp(A_log) σ(a + dt_bias) dg, ddt_bias += da. */
  private void decayGradientSlice(int slice) {
    long end = Slices.first(slice + 1, slices, groups);
    long biasSums = sums + 8L * slice * GROUP * h + 4L * GROUP * h;
    for (long group = Slices.first(slice, slices, groups); group < end; group++) {
      long at = 4 * group * GROUP * h;
      long in = Floats.address(a) + at;
      long dg = Floats.address(g) + at;
      long to = Floats.address(da) + at;
      int count = groupSize(group);
      if (SIMD) {
        VectorDecay.decayGradient(in, rates, biases, dg, to, biasSums, count);
      }
      for (long i = 4 * Rows.whole(count); i < 4L * count; i += 4) {
        float slope = get(rates + i) * get(dg + i) * sigmoid(get(in + i) + get(biases + i));
        Floats.add(biasSums + i, slope);
        set(to + i, slope);
      }
    }
  }

  /** db = betaMax σ(b) (1 − σ(b)) dβ. */
  private void strengthGradientSlice(int slice) {
    long from = 4 * Slices.first(slice, slices, groups) * GROUP * h;
    long end = 4 * Math.min(n, Slices.first(slice + 1, slices, groups) * GROUP) * h;
    long count = (end - from) / 4;
    long in = Floats.address(b) + from;
    long upstream = Floats.address(beta) + from;
    long to = Floats.address(db) + from;
    if (SIMD) {
      VectorDecay.strengthGradient(in, betaMax, upstream, to, count);
    }
    for (long i = 4 * Rows.whole(count); i < 4 * count; i += 4) {
      float s = sigmoid(get(in + i));
      set(to + i, betaMax * get(upstream + i) * s * (1 - s));
    }
  }

  private static float softplus(float x) {
    return (float) (Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))));
  }

  private static float sigmoid(float x) {
    return (float) (1 / (1 + Math.exp(-x)));
  }
}
