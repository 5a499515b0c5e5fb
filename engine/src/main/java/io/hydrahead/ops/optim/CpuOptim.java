package io.hydrahead.ops.optim;

import static io.hydrahead.ops.Floats.get;
import static io.hydrahead.ops.Floats.set;

import io.hydrahead.ops.Floats;
import io.hydrahead.ops.Rows;
import io.hydrahead.ops.Slices;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Simd;
import io.hydrahead.tensor.Tensor;
import java.util.function.IntConsumer;

/** {@link Optim} on the CPU: slices of the flat arrays. */
public final class CpuOptim implements Optim {
  private static final boolean SIMD = Simd.available();

  private final ComputePool pool;
  private final IntConsumer adamTask = this::adamSlice;
  private final IntConsumer squaresTask = this::squaresSlice;
  private final IntConsumer axpyTask = this::axpySlice;
  private final IntConsumer sumTask = this::sumSlice;
  private final double[] squares = new double[Slices.MAX];
  private final AdamStep adam = new AdamStep();

  // The work under way; the tensors are fields so that their memory stays alive.
  private Tensor x;
  private Tensor y;
  private Tensor m;
  private Tensor v;
  private float alpha;
  private long size;
  private int slices;

  /** AdamW's constants at one step: p ← decay p − rate m / (√v · root + eps). */
  static final class AdamStep {
    float gradScale;
    float beta1;
    float beta2;
    float rest1;
    float rest2;
    float decay;
    float rate;
    float root;
    float eps;
  }

  public CpuOptim(ComputePool pool) {
    this.pool = pool;
  }

  @Override
  public synchronized void adamW(
      Rule rule,
      Tensor param,
      Tensor grad,
      Tensor m,
      Tensor v,
      Tensor working,
      Tensor rates,
      Tensor squares) {
    start(OptimShape.check(param, grad, m, v, working, rates, squares), param, grad);
    if (!Double.isFinite(squares.getDouble(0))) {
      return;
    }
    this.m = m;
    this.v = v;
    adam.gradScale = rule.gradScale(squares.getDouble(0));
    adam.beta1 = rule.beta1();
    adam.beta2 = rule.beta2();
    adam.rest1 = (float) (1 - (double) rule.beta1());
    adam.rest2 = (float) (1 - (double) rule.beta2());
    adam.decay = (float) (1 - (double) rates.get(0) * rule.weightDecay());
    adam.rate = rates.get(1);
    adam.root = rates.get(2);
    adam.eps = rule.eps();
    pool.run(slices, adamTask);
    if (working != null) {
      working.copyFrom(param);
    }
  }

  private void start(long size, Tensor x, Tensor y) {
    this.size = size;
    this.x = x;
    this.y = y;
    slices = Slices.flat(size);
  }

  private void adamSlice(int slice) {
    long from = Slices.firstFlat(slice, slices, size);
    long count = Slices.firstFlat(slice + 1, slices, size) - from;
    long param = Floats.address(x) + 4 * from;
    long grad = Floats.address(y) + 4 * from;
    long mean = Floats.address(m) + 4 * from;
    long square = Floats.address(v) + 4 * from;
    if (SIMD) {
      VectorOptim.adamW(param, grad, mean, square, adam, count);
    }
    for (long i = 4 * Rows.whole(count); i < 4 * count; i += 4) {
      float g = get(grad + i) * adam.gradScale;
      float first = Math.fma(adam.rest1, g, adam.beta1 * get(mean + i));
      float second = Math.fma(adam.rest2 * g, g, adam.beta2 * get(square + i));
      float update = first / Math.fma((float) Math.sqrt(second), adam.root, adam.eps);
      set(mean + i, first);
      set(square + i, second);
      set(param + i, Math.fma(-adam.rate, update, adam.decay * get(param + i)));
    }
  }

  @Override
  public synchronized void addSquares(Tensor x, Tensor sum) {
    start(OptimShape.check("x", x), x, null);
    pool.run(slices, squaresTask);
    double total = 0;
    for (int s = 0; s < slices; s++) {
      total += squares[s];
    }
    sum.setDouble(0, sum.getDouble(0) + total);
  }

  private void squaresSlice(int slice) {
    long from = Slices.firstFlat(slice, slices, size);
    long count = Slices.firstFlat(slice + 1, slices, size) - from;
    long in = Floats.address(x) + 4 * from;
    double sum = SIMD ? VectorOptim.sumOfSquares(in, count) : 0;
    for (long i = 4 * Rows.whole(count); i < 4 * count; i += 4) {
      double value = get(in + i);
      sum += value * value;
    }
    squares[slice] = sum;
  }

  @Override
  public synchronized void squaredError(
      Tensor x, Tensor y, Tensor factor, Tensor norm, Tensor dx, Tensor sum) {
    OptimShape.check(x, y, factor, norm, dx, sum);
    double weight = factor.getDouble(0) / norm.getDouble(0);
    float scale = (float) (2 * weight);
    dx.fill(0f);
    axpy(scale, x, dx);
    axpy(-scale, y, dx);
    double before = sum.getDouble(0);
    sum.setDouble(0, 0);
    addSquares(dx, sum);
    sum.setDouble(0, before + sum.getDouble(0) / ((double) scale * scale) * weight);
  }

  @Override
  public synchronized void axpy(float alpha, Tensor x, Tensor y) {
    start(OptimShape.check(x, y), x, y);
    this.alpha = alpha;
    pool.run(slices, axpyTask);
  }

  private void axpySlice(int slice) {
    long from = Slices.firstFlat(slice, slices, size);
    long count = Slices.firstFlat(slice + 1, slices, size) - from;
    Rows.axpy(alpha, Floats.address(x) + 4 * from, Floats.address(y) + 4 * from, count);
  }

  @Override
  public synchronized void sum(Tensor x, Tensor y, Tensor out) {
    OptimShape.check(x, out);
    start(OptimShape.check(y, out), x, y);
    m = out;
    pool.run(slices, sumTask);
  }

  private void sumSlice(int slice) {
    long from = Slices.firstFlat(slice, slices, size);
    long count = Slices.firstFlat(slice + 1, slices, size) - from;
    long to = Floats.address(m) + 4 * from;
    Rows.combine(1f, Floats.address(x) + 4 * from, 1f, Floats.address(y) + 4 * from, to, count);
  }
}
