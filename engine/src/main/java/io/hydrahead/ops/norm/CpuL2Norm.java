package io.hydrahead.ops.norm;

import static io.hydrahead.ops.Floats.get;
import static io.hydrahead.ops.Floats.set;

import io.hydrahead.ops.Floats;
import io.hydrahead.ops.Rows;
import io.hydrahead.ops.Slices;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import java.util.function.IntConsumer;

/** {@link L2Norm} on the CPU: slices of rows. */
public final class CpuL2Norm implements L2Norm {
  private final ComputePool pool;
  private final IntConsumer forwardTask = this::forwardSlice;
  private final IntConsumer backwardTask = this::backwardSlice;

  // The work under way; the tensors are fields so that their memory stays alive.
  /** Or its gradient. */
  private Tensor x;

  private Tensor y;
  private Tensor dy;
  private Tensor rnorm;
  private float eps;
  private int d;
  private int copies;
  private int n;
  private int slices;

  public CpuL2Norm(ComputePool pool) {
    this.pool = pool;
  }

  @Override
  public synchronized void forward(Tensor x, float eps, Tensor y, Tensor rnorm) {
    prepare(NormShape.checkL2(x, y, rnorm), x, y, rnorm);
    copies = NormShape.copies(x, y);
    this.eps = eps;
    pool.run(slices, forwardTask);
  }

  private void prepare(int d, Tensor x, Tensor y, Tensor rnorm) {
    this.d = d;
    this.x = x;
    this.y = y;
    this.rnorm = rnorm;
    n = d == 0 ? 0 : (int) (x.size() / d);
    slices = Slices.count(n, d);
  }

  private void forwardSlice(int slice) {
    long end = Slices.first(slice + 1, slices, n);
    long row = 4L * d;
    long in = Floats.address(x);
    long out = Floats.address(y);
    long reciprocals = Floats.address(rnorm);
    for (long r = Slices.first(slice, slices, n); r < end; r++) {
      long from = in + r * row;
      float squares = Rows.dot(from, from, d);
      float reciprocal = (float) (1 / Math.sqrt((double) squares + eps));
      for (int j = 0; j < copies; j++) {
        Rows.scale(reciprocal, from, out + (r * copies + j) * row, d);
      }
      if (reciprocals != 0) {
        set(reciprocals + 4 * r, reciprocal);
      }
    }
  }

  @Override
  public synchronized void backward(Tensor y, Tensor rnorm, Tensor dy, Tensor dx) {
    prepare(NormShape.checkL2Backward(y, rnorm, dy, dx), dx, y, rnorm);
    copies = NormShape.copies(dx, y);
    this.dy = dy;
    pool.run(slices, backwardTask);
  }

  private void backwardSlice(int slice) {
    long end = Slices.first(slice + 1, slices, n);
    long row = 4L * d;
    long output = Floats.address(y);
    long upstream = Floats.address(dy);
    long to = Floats.address(x);
    long reciprocals = Floats.address(rnorm);
    for (long r = Slices.first(slice, slices, n); r < end; r++) {
      long sum = upstream + r * copies * row;
      if (copies > 1) {
        Rows.combine(1f, sum, 1f, sum + row, to + r * row, d);
        for (int j = 2; j < copies; j++) {
          Rows.axpy(1f, sum + j * row, to + r * row, d);
        }
        sum = to + r * row;
      }
      long unit = output + r * copies * row;
      float reciprocal = get(reciprocals + 4 * r);
      float slope = -reciprocal * Rows.dot(unit, sum, d);
      Rows.combine(reciprocal, sum, slope, unit, to + r * row, d);
    }
  }
}
