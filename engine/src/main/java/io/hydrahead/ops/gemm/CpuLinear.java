package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.NativeMemory;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * {@link Linear} on the CPU. Up to {@value #FEW_ROWS} rows read W once in a matrix–vector product;
 * more go through a {@link Gemm}, for which 16-bit weights are widened block by block.
 *
 * <p>In deterministic mode every product goes through a row-invariant Gemm, so a row of y is the
 * same bits whatever rows stand beside it.
 */
public final class CpuLinear implements Linear {
  private static final int FEW_ROWS = 4;

  /**
   * Rows of a task are an odd multiple of this: the four streams of {@link VectorRowDots} then lie
   * an odd number of rows apart. At a power of two they would share sets of the caches.
   */
  private static final int ROW_STEP = 4;

  /** Tasks a thread of a matrix–vector product, and most bytes of one: the team ends together. */
  private static final int TASKS = 8;

  private static final int TASK_BYTES = 1 << 19;
  private static final int MOST_MATRICES = 8;
  private static final int WIDENED = 1 << 20;
  private static final int SLICE = 1 << 14;

  private final Gemm gemm;
  private final ComputePool pool;
  private final boolean deterministic;
  private final RowDots dots = RowDots.select();
  private final IntConsumer rowTask = this::rowBlock;
  private final IntConsumer widenTask = this::widenSlice;
  private MemorySegment widened = MemorySegment.NULL;
  private MemorySegment prepared = MemorySegment.NULL;

  // The work under way; written by the caller before the team starts.
  private DType type;
  private long weights;
  private int k;
  private int n;
  private int rowsPerTask;
  private long vectors;
  private boolean accumulating;
  private int matrices;
  private final long[] from = new long[MOST_MATRICES];
  private final long[] to = new long[MOST_MATRICES];
  private final int[] rows = new int[MOST_MATRICES];
  private final int[] firstTask = new int[MOST_MATRICES + 1];
  private long elements;

  /**
   * @throws IllegalArgumentException if {@code deterministic} and {@code gemm} is not row-invariant
   */
  public CpuLinear(Gemm gemm, ComputePool pool, boolean deterministic) {
    if (deterministic && !gemm.rowInvariant()) {
      throw new IllegalArgumentException(
          "deterministic mode needs a row-invariant GEMM, " + gemm.name() + " is not");
    }
    this.gemm = gemm;
    this.pool = pool;
    this.deterministic = deterministic;
  }

  @Override
  public synchronized void forward(Tensor x, Tensor w, Tensor y, boolean accumulate) {
    LinearShape.check(x, w, y);
    requireHost(x, w, y);
    if (x.dim(0) <= FEW_ROWS && !deterministic) {
      matrices = 0;
      add(w, y);
      fewRows(x, accumulate);
      Reference.reachabilityFence(w);
      Reference.reachabilityFence(y);
      return;
    }
    int rows = x.size(0);
    int inner = x.size(1);
    int columns = w.size(0);
    int block = blockRows(w);
    float beta = accumulate ? 1f : 0f;
    for (int from = 0; from < columns; from += block) {
      int count = Math.min(block, columns - from);
      MemorySegment part = weights(w, from, count);
      gemm.multiply(
          false,
          true,
          rows,
          count,
          inner,
          1f,
          x.segment(),
          inner,
          part,
          inner,
          beta,
          from == 0 ? y.segment() : y.segment().asSlice(4L * from),
          columns);
    }
  }

  @Override
  public synchronized void forwardEach(Tensor x, List<Tensor> w, Tensor[] y) {
    boolean together =
        x.dim(0) <= FEW_ROWS && !deterministic && y.length > 0 && y.length <= MOST_MATRICES;
    for (int i = 0; i < y.length; i++) {
      together &= w.get(i).dtype() == w.get(0).dtype();
    }
    if (!together) {
      Linear.super.forwardEach(x, w, y);
      return;
    }
    matrices = 0;
    for (int i = 0; i < y.length; i++) {
      LinearShape.check(x, w.get(i), y[i]);
      requireHost(x, w.get(i), y[i]);
      add(w.get(i), y[i]);
    }
    fewRows(x, false);
    Reference.reachabilityFence(w);
    Reference.reachabilityFence(y);
  }

  @Override
  public synchronized void backwardInput(Tensor dy, Tensor w, Tensor dx, boolean accumulate) {
    LinearShape.check(dx, w, dy);
    requireHost(dx, w, dy);
    int rows = dx.size(0);
    int columns = dx.size(1);
    int inner = w.size(0);
    int block = blockRows(w);
    float beta = accumulate ? 1f : 0f;
    int from = 0;
    do { // once even for an empty W, which zeroes dx
      int count = Math.min(block, inner - from);
      MemorySegment part = weights(w, from, count);
      gemm.multiply(
          false,
          false,
          rows,
          columns,
          count,
          1f,
          from == 0 ? dy.segment() : dy.segment().asSlice(4L * from),
          inner,
          part,
          columns,
          beta,
          dx.segment(),
          columns);
      beta = 1f;
      from += block;
    } while (from < inner);
  }

  @Override
  public synchronized void backwardWeight(Tensor dy, Tensor x, Tensor dw) {
    LinearShape.checkWeight(dy, x, dw);
    requireHost(dy, x, dw);
    int columns = x.size(1);
    int rows = dy.size(1);
    gemm.multiply(
        true,
        false,
        rows,
        columns,
        x.size(0),
        1f,
        dy.segment(),
        rows,
        x.segment(),
        columns,
        1f,
        dw.segment(),
        columns);
  }

  private static void requireHost(Tensor a, Tensor b, Tensor c) {
    a.hostAddress();
    b.hostAddress();
    c.hostAddress();
  }

  /** Rows of W that go through GEMM at once: all, or as many as the widening scratch takes. */
  private static int blockRows(Tensor w) {
    int rows = Math.max(1, w.size(0));
    return w.dtype() == DType.F32
        ? rows
        : (int) Math.clamp(WIDENED / Math.max(1, w.dim(1)), 1, rows);
  }

  private MemorySegment weights(Tensor w, int from, int count) {
    if (w.dtype() == DType.F32) {
      return w.segment();
    }
    elements = count * w.dim(1);
    if (widened.byteSize() < 4 * elements) {
      widened = Arena.ofAuto().allocate(4 * Math.max(elements, WIDENED), Tensor.ALIGNMENT);
    }
    type = w.dtype();
    weights = NativeMemory.address(w.segment(), w.bytes()) + 2 * from * w.dim(1);
    pool.run((int) ((elements + SLICE - 1) / SLICE), widenTask);
    Reference.reachabilityFence(w);
    return widened;
  }

  private void widenSlice(int task) {
    long from = (long) task * SLICE;
    long count = Math.min(SLICE, elements - from);
    dots.widen(type, weights + 2 * from, count, widened.address() + 4 * from);
  }

  private void add(Tensor w, Tensor y) {
    type = w.dtype();
    from[matrices] = NativeMemory.address(w.segment(), w.bytes());
    to[matrices] = NativeMemory.address(y.segment(), y.bytes());
    rows[matrices++] = w.size(0);
  }

  /** All matrices that were added times x, in tasks of about as many rows each. */
  private void fewRows(Tensor x, boolean accumulate) {
    n = x.size(0);
    k = x.size(1);
    accumulating = accumulate;
    long vector = NativeMemory.address(x.segment(), x.bytes());
    if (prepared.byteSize() < x.bytes()) {
      prepared = Arena.ofAuto().allocate(x.bytes(), Tensor.ALIGNMENT);
    }
    vectors = prepared.address();
    for (int i = 0; i < n; i++) {
      dots.prepare(type, vector + 4L * i * k, k, vectors + 4L * i * k);
    }
    long all = 0;
    for (int i = 0; i < matrices; i++) {
      all += rows[i];
    }
    long most = TASK_BYTES / Math.max(1, (long) k * type.bytes());
    long share = Math.min(most, all / (TASKS * (long) pool.threads()));
    rowsPerTask = (JavaGemm.ceil((int) Math.max(1, share), ROW_STEP) | 1) * ROW_STEP;
    for (int i = 0; i < matrices; i++) {
      firstTask[i + 1] = firstTask[i] + JavaGemm.ceil(rows[i], rowsPerTask);
    }
    pool.run(firstTask[matrices], rowTask);
    Reference.reachabilityFence(x);
  }

  private void rowBlock(int task) {
    int i = 0;
    while (task >= firstTask[i + 1]) {
      i++;
    }
    int first = (task - firstTask[i]) * rowsPerTask;
    int count = Math.min(rowsPerTask, rows[i] - first);
    long row = (long) k * type.bytes();
    long y = to[i] + 4L * first;
    dots.rows(type, from[i] + first * row, count, k, vectors, n, y, rows[i], accumulating);
  }
}
