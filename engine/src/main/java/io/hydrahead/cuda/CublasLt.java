package io.hydrahead.cuda;

import static io.hydrahead.cuda.NativeCalls.call;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.hydrahead.tensor.DType;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;

/**
 * Matrix products of cuBLASLt on row-major matrices. bf16 operands are multiplied in the tensor
 * cores with float32 sums; float32 ones in true float32, never TF32. The choice of algorithm for a
 * shape is made once and kept; a call then allocates nothing and can be recorded in a graph.
 *
 * <p>cuBLASLt thinks in columns: a row-major matrix is the transpose of a column-major one with the
 * same leading dimension, so C = A B is asked for as Cᵀ = Bᵀ Aᵀ.
 */
public final class CublasLt implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(CublasLt.class.getName());
  private static final int COMPUTE_32F = 68;
  private static final int R_32F = 0;
  private static final int R_16BF = 14;
  private static final int DESC_TRANSA = 3;
  private static final int DESC_TRANSB = 4;
  private static final int PREF_WORKSPACE = 1;
  private static final int PREF_ALIGNMENT_A = 5;
  private static final long RESULT_BYTES = 96;
  private static final int RESULT_STATE = 72;

  /** Suggestions that are timed, and how often. */
  private static final int CANDIDATES = 8;

  private static final int ROUNDS = 4;

  /** Share of the time to beat that a later suggestion must stay below. */
  private static final float WORTH_IT = 0.98f;

  private final CudaDevice device;
  private final NativeLibrary library;
  private final MemorySegment matmul;
  private final MemorySegment heuristic;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment scalars;
  private final Map<Shape, Plan> plans = new HashMap<>();
  private final Shape probe = new Shape();
  private final long workspaceBytes;
  private boolean tuned;
  private long handle;
  private long workspace;

  CublasLt(CudaDevice device, NativeLibrary library) {
    this.device = device;
    this.library = library;
    matmul = library.function("cublasLtMatmul");
    heuristic = library.function("cublasLtMatmulAlgoGetHeuristic");
    scalars = arena.allocate(JAVA_FLOAT, 2);
    scalars.setAtIndex(JAVA_FLOAT, 1, 1f);
    workspaceBytes = device.capability() >= 90 ? 32L << 20 : 8L << 20;
    MemorySegment out = arena.allocate(JAVA_LONG);
    check("cublasLtCreate", call(library.function("cublasLtCreate"), out.address()));
    handle = out.get(JAVA_LONG, 0);
    boolean ready = false;
    try {
      workspace = device.driver().allocate(workspaceBytes);
      ready = true;
    } finally {
      if (!ready) {
        close();
      }
    }
  }

  /**
   * C = op(A) op(B), or C += op(A) op(B). All matrices are row-major; {@code lda}, {@code ldb} and
   * {@code ldc} are the elements from one row of the stored matrix to the next.
   *
   * @param transA whether A is stored as [k, m] instead of [m, k]
   * @param transB whether B is stored as [n, k] instead of [k, n]
   * @param type of A and B: F32 or BF16
   * @param typeC F32, or BF16 where {@code type} is
   * @throws CudaException if cuBLASLt has no algorithm for the shape
   */
  public void multiply(
      boolean transA,
      boolean transB,
      int m,
      int n,
      int k,
      DType type,
      MemorySegment a,
      long lda,
      MemorySegment b,
      long ldb,
      DType typeC,
      MemorySegment c,
      long ldc,
      boolean accumulate) {
    if (m == 0 || n == 0) {
      return;
    }
    if (k == 0) {
      throw new IllegalArgumentException("a product over no terms is the caller's to write");
    }
    device.makeCurrent();
    Shape s = probe;
    s.transA = transA;
    s.transB = transB;
    s.m = m;
    s.n = n;
    s.k = k;
    s.type = type;
    s.typeC = typeC;
    s.lda = lda;
    s.ldb = ldb;
    s.ldc = ldc;
    s.alignA = alignment(a);
    s.alignB = alignment(b);
    s.alignC = alignment(c);
    Plan plan = plans.get(s);
    if (plan == null) {
      plan = plan(s.copy(), a.address(), b.address(), accumulate);
      plans.put(plan.shape, plan);
    }
    int status = run(plan, plan.algorithm, a.address(), b.address(), c.address(), accumulate);
    if (status != 0) {
      throw new CudaException(status, "cublasLtMatmul of " + s + ": " + describe(status));
    }
  }

  private int run(Plan plan, long algorithm, long a, long b, long c, boolean accumulate) {
    return NativeCalls.matmul(
        matmul,
        handle,
        plan.description,
        scalars.address() + 4,
        b,
        plan.layoutB,
        a,
        plan.layoutA,
        scalars.address() + (accumulate ? 4 : 0),
        c,
        plan.layoutC,
        c,
        plan.layoutC,
        algorithm,
        workspace,
        workspaceBytes,
        device.stream());
  }

  /**
   * Whether the algorithm for a shape is the fastest of several that were timed at its first use
   * outside of a recording, instead of the one that cuBLASLt thinks best; for large products of
   * round sizes. Off at first, because a choice by the clock may differ from run to run, and with
   * it the last bits.
   */
  public void tuned(boolean on) {
    tuned = on;
  }

  /** The largest power of two, at most 256, that divides the address. */
  private static int alignment(MemorySegment s) {
    return (int) Math.min(256, Long.lowestOneBit(s.address() | 256));
  }

  /** Everything the choice of an algorithm depends on. */
  private static final class Shape {
    boolean transA;
    boolean transB;
    int m;
    int n;
    int k;
    DType type;
    DType typeC;
    long lda;
    long ldb;
    long ldc;
    int alignA;
    int alignB;
    int alignC;

    /**
     * Products that come again and again: of a training step or a full piece of a text, not those
     * of texts of any length, each of which would be tuned for itself.
     */
    boolean worthTuning() {
      return 2.0 * m * n * k >= 2e10 && m % 64 == 0 && n % 64 == 0 && k % 64 == 0;
    }

    Shape copy() {
      Shape s = new Shape();
      s.transA = transA;
      s.transB = transB;
      s.m = m;
      s.n = n;
      s.k = k;
      s.type = type;
      s.typeC = typeC;
      s.lda = lda;
      s.ldb = ldb;
      s.ldc = ldc;
      s.alignA = alignA;
      s.alignB = alignB;
      s.alignC = alignC;
      return s;
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Shape s
          && transA == s.transA
          && transB == s.transB
          && m == s.m
          && n == s.n
          && k == s.k
          && type == s.type
          && typeC == s.typeC
          && lda == s.lda
          && ldb == s.ldb
          && ldc == s.ldc
          && alignA == s.alignA
          && alignB == s.alignB
          && alignC == s.alignC;
    }

    @Override
    public int hashCode() {
      long h = transA ? 1 : 0;
      h = 31 * h + (transB ? 1 : 0);
      h = 31 * h + m;
      h = 31 * h + n;
      h = 31 * h + k;
      h = 31 * h + type.ordinal();
      h = 31 * h + typeC.ordinal();
      h = 31 * h + lda;
      h = 31 * h + ldb;
      h = 31 * h + ldc;
      h = 31 * h + alignA + alignB + alignC;
      return Long.hashCode(h);
    }

    @Override
    public String toString() {
      return "[%d, %d, %d] %s%s in %s to %s, row strides %d, %d, %d"
          .formatted(m, n, k, transA ? "T" : "N", transB ? "T" : "N", type, typeC, lda, ldb, ldc);
    }
  }

  /** cuBLASLt's descriptors for a shape, and the algorithm it chose. */
  private record Plan(
      Shape shape, long description, long layoutA, long layoutB, long layoutC, long algorithm) {
    Plan with(long other) {
      return new Plan(shape, description, layoutA, layoutB, layoutC, other);
    }
  }

  private Plan plan(Shape s, long a, long b, boolean accumulate) {
    boolean known = s.type == DType.F32 && s.typeC == DType.F32;
    known |= s.type == DType.BF16 && (s.typeC == DType.F32 || s.typeC == DType.BF16);
    if (!known) {
      throw new IllegalArgumentException("no product of " + s.type + " into " + s.typeC);
    }
    try (Arena temporary = Arena.ofConfined()) {
      MemorySegment out = temporary.allocate(JAVA_LONG);
      check(
          "cublasLtMatmulDescCreate",
          call(library.function("cublasLtMatmulDescCreate"), out.address(), COMPUTE_32F, R_32F));
      long description = out.get(JAVA_LONG, 0);
      MemorySegment set = library.function("cublasLtMatmulDescSetAttribute");
      set(temporary, set, description, DESC_TRANSA, s.transB ? 1 : 0);
      set(temporary, set, description, DESC_TRANSB, s.transA ? 1 : 0);
      long layoutA = layout(out, s.type, s.transA ? s.m : s.k, s.transA ? s.k : s.m, s.lda);
      long layoutB = layout(out, s.type, s.transB ? s.k : s.n, s.transB ? s.n : s.k, s.ldb);
      long layoutC = layout(out, s.typeC, s.n, s.m, s.ldc);
      Plan plan = new Plan(s, description, layoutA, layoutB, layoutC, 0);
      int wanted = tuned && s.worthTuning() && !device.capturing() ? CANDIDATES : 1;
      MemorySegment results = arena.allocate(wanted * RESULT_BYTES, 8);
      int found = suggestions(plan, wanted, results, temporary);
      long algorithm = results.address(); // a result begins with the algorithm
      if (found > 1) {
        algorithm += RESULT_BYTES * fastest(plan, results, found, a, b, accumulate);
      }
      return plan.with(algorithm);
    }
  }

  private static void set(Arena temporary, MemorySegment f, long object, int attribute, int value) {
    MemorySegment v = temporary.allocate(JAVA_INT);
    v.set(JAVA_INT, 0, value);
    check("cublasLt…SetAttribute", call(f, object, attribute, v.address(), 4L));
  }

  private long layout(MemorySegment out, DType type, long rows, long columns, long ld) {
    check(
        "cublasLtMatrixLayoutCreate",
        call(
            library.function("cublasLtMatrixLayoutCreate"),
            out.address(),
            type == DType.BF16 ? R_16BF : R_32F,
            rows,
            columns,
            ld));
    return out.get(JAVA_LONG, 0);
  }

  /** Fills in what cuBLASLt suggests, the likely fastest first, and returns how many there are. */
  private int suggestions(Plan plan, int wanted, MemorySegment results, Arena temporary) {
    Shape s = plan.shape;
    MemorySegment out = temporary.allocate(JAVA_LONG);
    check(
        "cublasLtMatmulPreferenceCreate",
        call(library.function("cublasLtMatmulPreferenceCreate"), out.address()));
    long preference = out.get(JAVA_LONG, 0);
    MemorySegment set = library.function("cublasLtMatmulPreferenceSetAttribute");
    MemorySegment bytes = temporary.allocate(JAVA_LONG);
    bytes.set(JAVA_LONG, 0, workspaceBytes);
    check("workspace", call(set, preference, PREF_WORKSPACE, bytes.address(), 8L));
    int[] alignments = {s.alignB, s.alignA, s.alignC, s.alignC};
    for (int i = 0; i < alignments.length; i++) {
      set(temporary, set, preference, PREF_ALIGNMENT_A + i, alignments[i]);
    }
    MemorySegment count = temporary.allocate(JAVA_INT);
    int status =
        NativeCalls.heuristic(
            heuristic,
            handle,
            plan.description,
            plan.layoutB,
            plan.layoutA,
            plan.layoutC,
            plan.layoutC,
            preference,
            wanted,
            results.address(),
            count.address());
    call(library.function("cublasLtMatmulPreferenceDestroy"), preference);
    int found = count.get(JAVA_INT, 0);
    if (status == 0 && found > 0) {
      status = results.get(JAVA_INT, RESULT_STATE);
    } else if (status == 0) {
      status = 15;
    }
    if (status != 0) {
      throw new CudaException(
          status, "cuBLASLt has no algorithm for " + s + ": " + describe(status));
    }
    return found;
  }

  /** Times the suggestions on an output of their own; the index of the fastest. */
  private int fastest(
      Plan plan, MemorySegment results, int found, long a, long b, boolean accumulate) {
    Shape s = plan.shape;
    long bytes = ((s.m - 1) * s.ldc + s.n) * s.typeC.bytes() + 256;
    if (bytes > device.freeBytes() / 2) {
      return 0;
    }
    Driver driver = device.driver();
    long c = driver.allocate(bytes);
    try (CudaTimer timer = new CudaTimer(device)) {
      driver.fillBytes(c, (byte) 0, bytes, device.stream());
      int best = 0;
      float least = Float.MAX_VALUE;
      float first = 0;
      for (int i = 0; i < found; i++) {
        long algorithm = results.address() + i * RESULT_BYTES;
        boolean works = results.get(JAVA_INT, i * RESULT_BYTES + RESULT_STATE) == 0;
        works = works && run(plan, algorithm, a, b, c, accumulate) == 0;
        float time = Float.MAX_VALUE;
        for (int round = 0; round < ROUNDS && works; round++) {
          timer.start();
          run(plan, algorithm, a, b, c, accumulate);
          run(plan, algorithm, a, b, c, accumulate);
          time = Math.min(time, timer.stop() / 2);
        }
        first = i == 0 ? time : first;
        if (time < least * (i == 0 ? 1 : WORTH_IT)) {
          least = time;
          best = i;
        }
      }
      LOG.log(
          Level.DEBUG,
          "{0}: suggestion {1} of {2}, {3} us instead of {4} us",
          s,
          best + 1,
          found,
          1000 * least,
          1000 * first);
      return best;
    } finally {
      driver.free(c);
    }
  }

  private static void check(String what, int status) {
    if (status != 0) {
      throw new CudaException(status, what + ": " + describe(status));
    }
  }

  private static String describe(int status) {
    return switch (status) {
      case 1 -> "CUBLAS_STATUS_NOT_INITIALIZED";
      case 3 -> "CUBLAS_STATUS_ALLOC_FAILED";
      case 7 -> "CUBLAS_STATUS_INVALID_VALUE";
      case 8 -> "CUBLAS_STATUS_ARCH_MISMATCH";
      case 13 -> "CUBLAS_STATUS_EXECUTION_FAILED";
      case 14 -> "CUBLAS_STATUS_INTERNAL_ERROR";
      case 15 -> "CUBLAS_STATUS_NOT_SUPPORTED";
      default -> "cuBLAS status " + status;
    };
  }

  @Override
  public void close() {
    if (handle == 0) {
      return;
    }
    for (Plan p : plans.values()) {
      call(library.function("cublasLtMatmulDescDestroy"), p.description);
      for (long layout : new long[] {p.layoutA, p.layoutB, p.layoutC}) {
        call(library.function("cublasLtMatrixLayoutDestroy"), layout);
      }
    }
    plans.clear();
    call(library.function("cublasLtDestroy"), handle);
    handle = 0;
    if (workspace != 0) {
      device.driver().free(workspace);
    }
    arena.close();
  }
}
