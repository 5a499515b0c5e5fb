package io.hydrahead.ops.loss;

import static io.hydrahead.ops.Floats.get;
import static io.hydrahead.ops.Floats.set;

import io.hydrahead.ops.Floats;
import io.hydrahead.ops.Rows;
import io.hydrahead.ops.Scratch;
import io.hydrahead.ops.Slices;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.NativeMemory;
import io.hydrahead.tensor.Simd;
import io.hydrahead.tensor.Tensor;
import java.util.function.IntConsumer;

/** {@link TokenLoss} on the CPU: each row's loss is kept and added up in order at the end. */
public final class CpuTokenLoss implements TokenLoss {
  private static final boolean SIMD = Simd.available();

  /** Elements whose exponentials are summed in float32 before the sum goes on in float64. */
  static final int RUN = 1024;

  private final ComputePool pool;
  private final Scratch exponentials = new Scratch();
  private final IntConsumer crossEntropyTask = this::crossEntropySlice;
  private final IntConsumer klTask = this::klSlice;
  private double[] losses = {};

  // The work under way; the tensors are fields so that their memory stays alive.
  private Tensor logits;
  private Tensor teacher;
  private Tensor gradient;
  private Tensor targets;
  private Tensor weights;
  private float gradScale;
  private int n;
  private int v;
  private int slices;
  private long rowScratch;

  public CpuTokenLoss(ComputePool pool) {
    this.pool = pool;
  }

  @Override
  public synchronized void crossEntropy(
      Tensor logits, Tensor targets, Tensor weights, Tensor gradScale, Tensor dLogits, Tensor sum) {
    n = LossShape.check(logits, targets, weights, gradScale, dLogits, sum);
    this.targets = targets;
    prepare(logits, weights, gradScale, dLogits);
    LossShape.checkTargets(targets, v);
    pool.run(slices, crossEntropyTask);
    addTotal(sum);
  }

  private void prepare(Tensor logits, Tensor weights, Tensor gradScale, Tensor gradient) {
    this.logits = logits;
    this.weights = weights;
    this.gradScale = gradient == null ? 0f : gradScale.get(0);
    this.gradient = gradient;
    v = logits.size(-1);
    slices = Slices.count(n, v);
    if (losses.length < n) {
      losses = new double[n];
    }
  }

  private void addTotal(Tensor sum) {
    double total = 0;
    for (int r = 0; r < n; r++) {
      total += losses[r];
    }
    sum.setDouble(0, sum.getDouble(0) + total);
  }

  private void crossEntropySlice(int slice) {
    long in = Floats.address(logits);
    long out = Floats.address(gradient);
    int end = (int) Slices.first(slice + 1, slices, n);
    for (int r = (int) Slices.first(slice, slices, n); r < end; r++) {
      long at = 4L * r * v;
      losses[r] = crossEntropyRow(r, in + at, out == 0 ? 0 : out + at);
    }
  }

  private double crossEntropyRow(int r, long x, long dx) {
    int target = targets.getInt(r);
    float weight = target < 0 ? 0f : weights.get(r);
    if (weight == 0f) {
      if (dx != 0) {
        NativeMemory.ALL.asSlice(dx, 4L * v).fill((byte) 0);
      }
      return 0;
    }
    float logit = get(x + 4L * target); // before dx, which may lie on x, is written
    float max = max(x);
    double sum = exponentials(x, max, dx);
    if (dx != 0) {
      float scale = gradScale * weight;
      Rows.scale((float) (scale / sum), dx, dx, v);
      Floats.add(dx + 4L * target, -scale);
    }
    return weight * (Math.log(sum) + max - logit);
  }

  @Override
  public synchronized void kl(
      Tensor teacher,
      Tensor student,
      Tensor weights,
      Tensor gradScale,
      Tensor dStudent,
      Tensor sum) {
    n = LossShape.checkKl(teacher, student, weights, gradScale, dStudent, sum);
    this.teacher = teacher;
    prepare(student, weights, gradScale, dStudent);
    rowScratch = exponentials.floats(2L * slices * v);
    pool.run(slices, klTask);
    addTotal(sum);
  }

  private void klSlice(int slice) {
    long p = rowScratch + 8L * slice * v;
    long q = p + 4L * v;
    long target = Floats.address(teacher);
    long in = Floats.address(logits);
    long out = Floats.address(gradient);
    int end = (int) Slices.first(slice + 1, slices, n);
    for (int r = (int) Slices.first(slice, slices, n); r < end; r++) {
      long at = 4L * r * v;
      float weight = weights.get(r);
      losses[r] =
          weight == 0f
              ? 0
              : weight
                  * klRow(target + at, in + at, p, q, gradScale * weight, out == 0 ? 0 : out + at);
    }
  }

  /**
   * Σ p (log p − log q) with log p − log q = (t − s) − (log Z_t − log Z_s); p, q are scratch. The
   * difference of the largest logits is taken off in float32, close to where the sum has its
   * weight, and the rest of log Z in float64.
   */
  private double klRow(long t, long s, long p, long q, float scale, long ds) {
    float teacherMax = max(t);
    float studentMax = max(s);
    double teacherSum = exponentials(t, teacherMax, p);
    double studentSum = exponentials(s, studentMax, ds == 0 ? 0 : q);
    float offset = teacherMax - studentMax;
    double sum = 0;
    for (int i = 0; i < v; i += RUN) {
      long at = 4L * i;
      sum += divergence(t + at, s + at, p + at, offset, Math.min(RUN, v - i));
    }
    if (ds != 0) {
      Rows.axpy((float) (scale / studentSum), q, ds, v);
      Rows.axpy((float) (-scale / teacherSum), p, ds, v);
    }
    return sum / teacherSum - Math.log(teacherSum) + Math.log(studentSum);
  }

  private float max(long x) {
    float max = SIMD ? VectorLoss.max(x, v) : Float.NEGATIVE_INFINITY;
    for (long i = 4 * Rows.whole(v); i < 4L * v; i += 4) {
      max = Math.max(max, get(x + i));
    }
    return max;
  }

  /** Σ e^(x − max), and each e^(x − max) to {@code out} unless that is 0. */
  private double exponentials(long x, float max, long out) {
    double sum = 0;
    for (int i = 0; i < v; i += RUN) {
      long at = 4L * i;
      sum += exponentialRun(x + at, max, out == 0 ? 0 : out + at, Math.min(RUN, v - i));
    }
    return sum;
  }

  private static double exponentialRun(long x, float max, long out, int count) {
    double sum = SIMD ? VectorLoss.exponentials(x, max, out, count) : 0f;
    for (long i = 4 * Rows.whole(count); i < 4L * count; i += 4) {
      float e = (float) Math.exp(get(x + i) - max);
      if (out != 0) {
        set(out + i, e);
      }
      sum += e;
    }
    return sum;
  }

  /** Σ p ((t − s) − offset). */
  private static double divergence(long t, long s, long p, float offset, int count) {
    double sum = SIMD ? VectorLoss.divergence(t, s, p, offset, count) : 0f;
    for (long i = 4 * Rows.whole(count); i < 4L * count; i += 4) {
      sum += get(p + i) * (get(t + i) - get(s + i) - offset);
    }
    return sum;
  }
}
