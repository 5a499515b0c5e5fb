package io.hydrahead.ops.headprep;

import static io.hydrahead.ops.Floats.get;
import static io.hydrahead.ops.Floats.set;

import io.hydrahead.ops.Floats;
import io.hydrahead.ops.Rows;
import io.hydrahead.ops.Scratch;
import io.hydrahead.ops.Slices;
import io.hydrahead.ops.norm.CpuRmsNorm;
import io.hydrahead.ops.rotary.CpuRotary;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import java.util.function.IntConsumer;

/**
 * {@link HeadPrep} on the CPU: slices of heads, each with its own partial dw; a head goes through
 * all its steps while it is in the cache.
 */
public final class CpuHeadPrep implements HeadPrep {
  private final ComputePool pool;
  private final Scratch widened = new Scratch();
  private final Scratch partials = new Scratch();
  private final IntConsumer forwardTask = this::forwardSlice;
  private final IntConsumer backwardTask = this::backwardSlice;

  // The work under way; the tensors are fields so that their memory stays alive.
  private Shape shape;
  private Tables tables;
  private Tensor x;
  private Tensor y;
  private Tensor dy;
  private Tensor dx;
  private Tensor rstd;
  private Tensor rnorm;
  private long weights;
  private long dwPartials;
  private long n;
  private int slices;

  public CpuHeadPrep(ComputePool pool) {
    this.pool = pool;
  }

  @Override
  public synchronized void forward(
      Shape s, Tensor x, Tensor w, Tables t, Tensor y, Tensor rstd, Tensor rnorm) {
    prepare(s, HeadPrepShape.check(s, x, w, t, y, rstd, rnorm), x, w, t, y, rstd, rnorm);
    pool.run(slices, forwardTask);
  }

  private void prepare(
      Shape s, int rows, Tensor x, Tensor w, Tables t, Tensor y, Tensor rstd, Tensor rnorm) {
    shape = s;
    tables = t;
    this.x = x;
    this.y = y;
    this.rstd = rstd;
    this.rnorm = rnorm;
    weights = Floats.widened(w, widened);
    n = (long) rows * s.heads();
    slices = Slices.count(n, s.headDim());
  }

  private void forwardSlice(int slice) {
    int d = shape.headDim();
    long end = Slices.first(slice + 1, slices, n);
    long in = Floats.address(x);
    long out = Floats.address(y);
    long roots = Floats.address(rstd);
    long norms = Floats.address(rnorm);
    long scales = Floats.address(tables.scale());
    for (long i = Slices.first(slice, slices, n); i < end; i++) {
      long head = out + 4 * i * d;
      long raw = in + 4 * i * d;
      float root = (float) (1 / Math.sqrt((double) Rows.dot(raw, raw, d) / d + shape.normEps()));
      Rows.scale(root, raw, weights, head, d);
      keep(roots, i, root);
      rotate(head, i, 1f);
      if (shape.l2()) {
        float norm = (float) (1 / Math.sqrt((double) Rows.dot(head, head, d) + shape.l2Eps()));
        Rows.scale(norm, head, head, d);
        keep(norms, i, norm);
      }
      if (scales != 0) {
        Rows.scale(get(scales + 4 * position(i)), head, head, d);
      }
    }
  }

  private static void keep(long to, long i, float value) {
    if (to != 0) {
      set(to + 4 * i, value);
    }
  }

  private long position(long i) {
    return i / shape.heads() % shape.tokens();
  }

  private void rotate(long head, long i, float sign) {
    if (tables.cos() != null) {
      int half = shape.headDim() / 2;
      long angles = 4 * position(i) * half;
      CpuRotary.rotate(
          head,
          Floats.address(tables.cos()) + angles,
          Floats.address(tables.sin()) + angles,
          half,
          sign);
    }
  }

  @Override
  public synchronized void backward(
      Shape s,
      Tensor x,
      Tensor w,
      Tables t,
      Tensor y,
      Tensor rstd,
      Tensor rnorm,
      Tensor dy,
      Tensor dx,
      Tensor dw) {
    int rows = HeadPrepShape.checkBackward(s, x, w, t, y, rstd, rnorm, dy, dx, dw);
    prepare(s, rows, x, w, t, y, rstd, rnorm);
    this.dy = dy;
    this.dx = dx;
    int d = s.headDim();
    dwPartials = partials.zeros((long) slices * d);
    pool.run(slices, backwardTask);
    Rows.reduce(dwPartials, slices, d, Floats.address(dw), d);
  }

  private void backwardSlice(int slice) {
    int d = shape.headDim();
    long end = Slices.first(slice + 1, slices, n);
    long in = Floats.address(x);
    long output = Floats.address(y);
    long upstream = Floats.address(dy);
    long to = Floats.address(dx);
    long roots = Floats.address(rstd);
    long norms = Floats.address(rnorm);
    long dw = dwPartials + 4L * slice * d;
    for (long i = Slices.first(slice, slices, n); i < end; i++) {
      long at = 4 * i * d;
      long g = upstream + at;
      if (shape.l2()) {
        float norm = get(norms + 4 * i);
        float projection = Rows.dot(output + at, g, d);
        Rows.combine(norm, g, -norm * projection, output + at, g, d);
      }
      rotate(g, i, -1f);
      CpuRmsNorm.backwardRow(in + at, weights, g, get(roots + 4 * i), dw, to + at, d, false);
    }
  }
}
