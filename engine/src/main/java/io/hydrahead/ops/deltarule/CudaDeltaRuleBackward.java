package io.hydrahead.ops.deltarule;

import static io.hydrahead.cuda.CudaRows.stride;
import static io.hydrahead.ops.CudaScratch.padded;
import static io.hydrahead.ops.deltarule.CudaGatedDeltaRule.encode;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaModule;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.cuda.TensorMap;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Inputs;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;

/**
 * Gradients of the gated delta rule on a GPU; sums have a fixed order. Three ways, the first two
 * for bf16 heads with K = V in 16, 32, 64, 128:
 *
 * <ul>
 *   <li>The decays of all chunks; the gradient of the state from the last chunk to the first, value
 *       columns side by side ({@code delta_backward.cu}, {@code delta_scan_hopper.cu}); then all
 *       other gradients, chunks side by side ({@code delta_gradients.cu}).
 *   <li>Many small heads: everything in one kernel, a head a block ({@code
 *       delta_backward_fused.cu}).
 *   <li>Any other head, and float32: like the first, in float32 arithmetic ({@code
 *       delta_backward_simt.cu}).
 * </ul>
 */
final class CudaDeltaRuleBackward {
  private static final int CHUNK = GatedDeltaRule.CHUNK;

  /** Floats of decays a chunk. */
  private static final int GATES = 5 * CHUNK;

  private static final int HOPPER_DIM = 128;
  private static final int LARGEST_FUSED_DIM = 32;
  private static final int STAGES = 3;
  private static final int SIMT_THREADS = 256;
  private static final int SIMT_COLUMNS = 64;

  private final CudaDevice device;
  private final CudaScratch scratch;
  private final Map<String, Launches> variants = new HashMap<>();
  private final TensorMap qMap;
  private final TensorMap kMap;
  private final TensorMap dOutMap;
  private final TensorMap inverseMap;
  private final TensorMap dvMap;
  private final TensorMap dStateMap;

  /** For tests: the way to go, if the call allows it; null: the fastest. */
  private Way forced;

  enum Way {
    SIMT,
    TENSOR_CORES,
    HOPPER,
    FUSED
  }

  /** The launch sites of one compiled variant; null where it has no such kernel. */
  private record Launches(
      LaunchArguments gates,
      LaunchArguments prepare,
      LaunchArguments scan,
      LaunchArguments gradients,
      int gradientBlocks) {}

  CudaDeltaRuleBackward(CudaDevice device, CudaScratch scratch) {
    this.device = device;
    this.scratch = scratch;
    TensorMap.Swizzle wide = TensorMap.Swizzle.BYTES_128;
    TensorMap.Swizzle narrow = TensorMap.Swizzle.BYTES_32;
    qMap = new TensorMap(device, DType.BF16, wide, 64, CHUNK, 1);
    kMap = new TensorMap(device, DType.BF16, wide, 64, CHUNK, 1);
    dOutMap = new TensorMap(device, DType.BF16, wide, 64, CHUNK, 1);
    inverseMap = new TensorMap(device, DType.BF16, wide, CHUNK, CHUNK);
    dvMap = new TensorMap(device, DType.BF16, narrow, 16, CHUNK, 1);
    dStateMap = new TensorMap(device, DType.BF16, narrow, 16, HOPPER_DIM);
  }

  void force(Way way) {
    forced = way;
  }

  /**
   * A call: its tensors, their sizes, and where the parts of the scratch lie.
   *
   * @param heads sequences times heads
   */
  private record Call(
      Shape s,
      Inputs in,
      MemorySegment states,
      MemorySegment inverses,
      Tensor dOut,
      Tensor dState,
      Inputs grads,
      int heads,
      int chunks,
      long gates,
      long dStates,
      long writes,
      long scores) {
    int total() {
      return Math.multiplyExact(heads, chunks);
    }

    long keys() {
      return (long) s.heads() * s.keyDim();
    }

    long values() {
      return (long) s.heads() * s.valueDim();
    }
  }

  /**
   * Assigns all gradients.
   *
   * @param states of the forward pass: the state before each chunk [B, H, chunks, K, V], of the
   *     inputs' type
   * @param inverses Γ ⊙ (I + strictLower(β K Kᵀ))⁻¹ of each chunk [B, H, chunks, 64, 64], of the
   *     inputs' type; β clamped to 2⁻⁴⁰
   * @param dState [B, H, K, V], gradient of the final state, overwritten with that of the first
   */
  void run(
      Shape s,
      Inputs in,
      MemorySegment states,
      MemorySegment inverses,
      Tensor dOut,
      Tensor dState,
      Inputs grads) {
    if (s.batch() == 0 || s.tokens() == 0 || s.heads() == 0) {
      return;
    }
    Way way = way(s, in, dOut, grads);
    int heads = s.batch() * s.heads();
    int chunks = Math.ceilDiv(s.tokens(), CHUNK);
    long all = (long) heads * chunks;
    int bytes = in.q().dtype().bytes();
    long dStates = padded(all * GATES * Float.BYTES);
    long writes = dStates + padded(all * s.keyDim() * s.valueDim() * bytes);
    long scores =
        writes + (way == Way.SIMT ? padded((long) heads * s.tokens() * s.valueDim() * bytes) : 0);
    long end = scores + (way == Way.HOPPER ? 0 : all * CHUNK * CHUNK * bytes);
    long base = way == Way.FUSED ? 0 : scratch.bytes(end);
    Call c =
        new Call(
            s,
            in,
            states,
            inverses,
            dOut,
            dState,
            grads,
            heads,
            chunks,
            base,
            base + dStates,
            base + writes,
            base + scores);
    switch (way) {
      case FUSED -> fused(c);
      case SIMT -> simt(c);
      case TENSOR_CORES -> {
        int columns = columns(s);
        Launches l =
            variants.computeIfAbsent(
                "tensor cores " + s.keyDim() + " " + columns,
                key -> tensorCores(s.keyDim(), columns));
        gates(l.gates, c);
        scores(l.prepare, c);
        scan(l.scan, c, columns);
        gradients(l, c);
      }
      case HOPPER -> {
        Launches l = variants.computeIfAbsent("hopper", key -> hopper());
        gates(l.gates, c);
        hopperScan(l.scan, c);
        gradients(l, c);
      }
    }
  }

  // ------------------------------------------------------------------- which way

  private Way way(Shape s, Inputs in, Tensor dOut, Inputs grads) {
    int dim = s.keyDim();
    boolean square = dim == s.valueDim() && (dim == 16 || dim == 32 || dim == 64 || dim == 128);
    if (in.q().dtype() != DType.BF16
        || !square
        || gradientShared(dim) > device.maxSharedBytes()
        || scanShared(dim, columns(s)) > device.maxSharedBytes()
        || !aligned(in.q(), in.k(), in.v(), dOut, grads.q(), grads.k(), grads.v())
        || forced == Way.SIMT) {
      return Way.SIMT;
    }
    boolean fused = s.batch() * s.heads() * 2 >= device.multiprocessors() * 3;
    if (dim <= LARGEST_FUSED_DIM && (forced == null ? fused : forced == Way.FUSED)) {
      return Way.FUSED;
    }
    return device.hopper() && dim == HOPPER_DIM && forced != Way.TENSOR_CORES
        ? Way.HOPPER
        : Way.TENSOR_CORES;
  }

  /** Whether rows can be read 16 bytes at a time. */
  private static boolean aligned(Tensor... tensors) {
    for (Tensor t : tensors) {
      if (!CudaRows.alignedRows(t)) {
        return false;
      }
    }
    return true;
  }

  /** Value columns of a block of the scan: few when there are few heads to fill the chip. */
  private int columns(Shape s) {
    int columns = Math.min(64, s.valueDim());
    int heads = s.batch() * s.heads();
    while (columns > 16 && heads * (s.valueDim() / columns) * 4 < device.multiprocessors() * 3) {
      columns /= 2;
    }
    return columns;
  }

  // ------------------------------------------------------------------- launches

  private static void gates(LaunchArguments a, Call c) {
    a.begin().pointer(c.in.g()).pointer(c.in.beta());
    gateStrides(a, c, c.in);
    a.address(c.gates);
    sizes(a, c).integer(c.total()).launch(Math.ceilDiv(c.total(), 4), 128, 0);
  }

  /** Row strides of q and k, or of their gradients. */
  private static LaunchArguments keyStrides(LaunchArguments a, Call c, Inputs of) {
    return a.wide(stride(of.q(), c.keys())).wide(stride(of.k(), c.keys()));
  }

  /** Row strides of g and β, or of their gradients. */
  private static LaunchArguments gateStrides(LaunchArguments a, Call c, Inputs of) {
    return a.wide(stride(of.g(), c.s.heads())).wide(stride(of.beta(), c.s.heads()));
  }

  private static LaunchArguments sizes(LaunchArguments a, Call c) {
    return a.integer(c.s.heads()).integer(c.s.tokens()).integer(c.chunks);
  }

  private static void scores(LaunchArguments a, Call c) {
    a.begin().pointer(c.in.q()).pointer(c.in.k());
    keyStrides(a, c, c.in);
    a.address(c.gates).address(c.scores);
    sizes(a, c).launch(c.chunks, c.heads, 1, 128, scoreShared(c.s.keyDim()));
  }

  /** What every scan but Hopper's takes. */
  private static LaunchArguments scanArguments(LaunchArguments a, Call c) {
    a.begin().pointer(c.in.q()).pointer(c.in.k()).pointer(c.dOut);
    keyStrides(a, c, c.in);
    a.wide(stride(c.dOut, c.values())).address(c.gates).pointer(c.inverses).address(c.scores);
    a.rows(c.grads.v(), c.values());
    return sizes(a.address(c.dStates).pointer(c.dState), c);
  }

  private static void scan(LaunchArguments a, Call c, int columns) {
    int dim = c.s.keyDim();
    scanArguments(a, c)
        .launch(dim / columns, c.heads, 1, scanThreads(columns), scanShared(dim, columns));
  }

  private void hopperScan(LaunchArguments a, Call c) {
    encode(qMap, c.in.q(), c.keys(), c.s);
    encode(kMap, c.in.k(), c.keys(), c.s);
    encode(dOutMap, c.dOut, c.values(), c.s);
    encode(dvMap, c.grads.v(), c.values(), c.s);
    inverseMap.encode(c.inverses, CHUNK, (long) c.total() * CHUNK, CHUNK);
    dStateMap.encode(
        MemorySegment.ofAddress(c.dStates), HOPPER_DIM, (long) c.total() * HOPPER_DIM, HOPPER_DIM);
    a.begin().map(qMap).map(kMap).map(dOutMap).map(inverseMap).map(dvMap).map(dStateMap);
    a.address(c.gates).pointer(c.dState).integer(c.s.heads()).integer(c.chunks);
    a.launch(HOPPER_DIM / 64, c.heads, 1, 384, hopperShared());
  }

  /** Where the gradients of q, k, g and β go. */
  private static LaunchArguments results(LaunchArguments a, Call c) {
    a.pointer(c.grads.q()).pointer(c.grads.k());
    keyStrides(a, c, c.grads);
    a.pointer(c.grads.g()).pointer(c.grads.beta());
    gateStrides(a, c, c.grads);
    return sizes(a, c);
  }

  private static void gradients(Launches l, Call c) {
    LaunchArguments a = l.gradients.begin();
    a.pointer(c.in.q()).pointer(c.in.k()).pointer(c.in.v()).pointer(c.dOut);
    keyStrides(a, c, c.in);
    a.wide(stride(c.in.v(), c.values())).wide(stride(c.dOut, c.values()));
    a.address(c.gates).pointer(c.states).pointer(c.inverses).address(c.dStates);
    a.rows(c.grads.v(), c.values());
    int dim = c.s.keyDim();
    results(a, c)
        .integer(c.total())
        .launch(Math.min(c.total(), l.gradientBlocks), gradientThreads(dim), gradientShared(dim));
  }

  private void fused(Call c) {
    int dim = c.s.keyDim();
    LaunchArguments a =
        variants.computeIfAbsent("fused " + dim, key -> fused(dim)).gradients.begin();
    a.pointer(c.in.q()).pointer(c.in.k()).pointer(c.in.v()).pointer(c.dOut);
    keyStrides(a, c, c.in);
    a.wide(stride(c.in.v(), c.values())).wide(stride(c.dOut, c.values()));
    a.pointer(c.in.g()).pointer(c.in.beta());
    gateStrides(a, c, c.in);
    a.pointer(c.states).pointer(c.inverses);
    a.pointer(c.grads.q()).pointer(c.grads.k()).pointer(c.grads.v());
    keyStrides(a, c, c.grads);
    a.wide(stride(c.grads.v(), c.values())).pointer(c.grads.g()).pointer(c.grads.beta());
    gateStrides(a, c, c.grads);
    sizes(a.pointer(c.dState), c).launch(c.heads, 128, fusedShared(dim));
  }

  private void simt(Call c) {
    DType type = c.in.q().dtype();
    Launches l = variants.computeIfAbsent("simt " + type, key -> simt(type));
    int k = c.s.keyDim();
    int v = c.s.valueDim();
    gates(l.gates, c);

    LaunchArguments a = l.prepare.begin();
    a.pointer(c.in.q()).pointer(c.in.k()).pointer(c.in.v());
    keyStrides(a, c, c.in);
    a.wide(stride(c.in.v(), c.values()));
    a.address(c.gates).pointer(c.states).pointer(c.inverses).address(c.writes).address(c.scores);
    sizes(a, c).integer(k).integer(v).launch(c.chunks, c.heads, 1, SIMT_THREADS, 0);

    int blocks = Math.ceilDiv(v, SIMT_COLUMNS);
    scanArguments(l.scan, c).integer(k).integer(v).launch(blocks, c.heads, 1, SIMT_THREADS, 0);

    a = l.gradients.begin().pointer(c.in.q()).pointer(c.in.k()).pointer(c.dOut);
    keyStrides(a, c, c.in);
    a.wide(stride(c.dOut, c.values()));
    a.address(c.gates).pointer(c.states).address(c.dStates).address(c.writes);
    a.rows(c.grads.v(), c.values());
    results(a, c).integer(k).integer(v).launch(c.chunks, c.heads, 1, SIMT_THREADS, 0);
  }

  // ------------------------------------------------------------------- variants

  private CudaModule module(String file, String... defines) {
    return device.module(CudaDeltaRuleBackward.class, file, defines);
  }

  private Launches simt(DType type) {
    CudaModule m = module("delta_backward_simt.cu", "-DBF16=" + (type == DType.BF16 ? 1 : 0));
    return new Launches(
        m.kernel("delta_gates").arguments(),
        m.kernel("delta_prepare").arguments(),
        m.kernel("delta_scan").arguments(),
        m.kernel("delta_gradients").arguments(),
        0);
  }

  private Launches tensorCores(int dim, int columns) {
    CudaModule m =
        module(
            "delta_backward.cu",
            "-DBF16=1",
            "-DHEAD_DIM=" + dim,
            "-DVALUE_BLOCK=" + columns,
            "-DSTAGES=" + STAGES);
    return withGradients(dim, m, "delta_scores", "delta_scan");
  }

  private Launches hopper() {
    CudaModule m =
        module(
            "delta_scan_hopper.cu", "-DBF16=1", "-DHEAD_DIM=" + HOPPER_DIM, "-DSTAGES=" + STAGES);
    return withGradients(HOPPER_DIM, m, null, "delta_scan_hopper");
  }

  private Launches withGradients(int dim, CudaModule m, String scores, String scan) {
    var gradients =
        module("delta_gradients.cu", "-DBF16=1", "-DHEAD_DIM=" + dim).kernel("delta_gradients");
    return new Launches(
        m.kernel("delta_gates").arguments(),
        scores == null ? null : m.kernel(scores).arguments(),
        m.kernel(scan).arguments(),
        gradients.arguments(),
        gradients.blocksPerMultiprocessor(gradientThreads(dim), gradientShared(dim))
            * device.multiprocessors());
  }

  private Launches fused(int dim) {
    var kernel =
        module("delta_backward_fused.cu", "-DBF16=1", "-DHEAD_DIM=" + dim)
            .kernel("delta_backward_fused");
    return new Launches(null, null, null, kernel.arguments(), 0);
  }

  // ------------------------------------------------------------------- the kernels' own sums

  private static int scoreShared(int dim) {
    return 2 * (2 * CHUNK * dim + CHUNK * CHUNK) + 4 * GATES;
  }

  private static int scanThreads(int columns) {
    return 128 * (columns / (columns >= 64 ? 32 : 16));
  }

  private static int scanShared(int dim, int columns) {
    int stage = 2 * (2 * CHUNK * dim + 2 * CHUNK * CHUNK + CHUNK * columns) + 4 * GATES;
    return STAGES * stage + 2 * (dim + 3 * CHUNK) * columns;
  }

  private static int hopperShared() {
    int panel = 2 * CHUNK * 64;
    int leaving = 2 * 64 * (HOPPER_DIM + CHUNK);
    return STAGES * (7 * panel + 2048 + 24) + leaving + 64 + 1024;
  }

  private static int gradientThreads(int dim) {
    return dim >= 64 ? 256 : 128;
  }

  private static int gradientShared(int dim) {
    return 2 * (8 * CHUNK * dim + 2 * dim * dim + 3 * CHUNK * CHUNK) + 8 * GATES + 2048;
  }

  private static int fusedShared(int dim) {
    return 2 * (7 * CHUNK * dim + 2 * CHUNK * CHUNK + 2 * dim * dim)
        + 4 * (2 * GATES + 2 * CHUNK + 8);
  }
}
