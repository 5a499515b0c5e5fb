package io.hydrahead.ops.attention;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaModule;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;

/**
 * Gradients of attention on a GPU, at offset 0: float32, any head dim up to 128, or bf16, multiples
 * of 16 up to 128. All tensors but the log-sum-exp may be column slices.
 *
 * <p>First {@code attention_backward_rows}: δ = dO·o of each row. Then on Hopper, in bf16, with
 * head dims 32, 64 and 128, one kernel for all three gradients ({@code
 * attention_backward_hopper.cu}), which adds dq up in float32 in scratch memory, and one that
 * rounds it. Elsewhere a kernel for dk and dv and one for dq, on tensor cores ({@code
 * attention_backward.cu}) or in float32 arithmetic ({@code attention_backward_f32.cu}). Only the
 * Hopper kernel's dq depends on the order in which blocks run, unless it is asked to be
 * deterministic.
 */
final class CudaAttentionBackward {
  static final int MOST_DIM = 128;

  /** Rows of one head's statistics are padded to a multiple of this. */
  private static final int PADDING = 128;

  /** Key columns of P a row of tiles in the float32 kernels, and their padding. */
  private static final int STREAM = 32;

  private final CudaDevice device;
  private final CudaScratch scratch;
  private final boolean deterministic;
  private final boolean hopper;
  private final CudaBackwardHeads lists = new CudaBackwardHeads();
  private final Map<Variant, Plain> plain = new HashMap<>();
  private final Map<Variant, CudaHopperBackward> fused = new HashMap<>();

  /** What kernels are compiled for. */
  private record Variant(DType type, int headDim, boolean windowed) {}

  /** Launch sites of the kernels for one type and head dim. */
  private record Plain(
      LaunchArguments rows, LaunchArguments keys, LaunchArguments queries, int own, int shared) {}

  /**
   * @param scratch for what lives during one call, see {@link #scratchBytes}
   * @param deterministic whether a run must give the same bits again
   */
  CudaAttentionBackward(CudaDevice device, CudaScratch scratch, boolean deterministic) {
    this(device, scratch, deterministic, device.hopper());
  }

  /**
   * @param hopper whether to use what only Hopper has
   */
  CudaAttentionBackward(
      CudaDevice device, CudaScratch scratch, boolean deterministic, boolean hopper) {
    this.device = device;
    this.scratch = scratch;
    this.deterministic = deterministic;
    this.hopper = hopper;
  }

  /** One call's tensors. */
  record Call(
      Shape shape,
      MemorySegment heads,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor o,
      Tensor lse,
      Tensor dO,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    long queryRow(Tensor t) {
      return CudaRows.stride(t, (long) shape.heads() * shape.headDim());
    }

    long keyRow(Tensor t) {
      return CudaRows.stride(t, (long) shape.kvHeads() * shape.headDim());
    }
  }

  /** Bytes of scratch memory that a call takes. */
  long scratchBytes(Shape s, DType type) {
    long bytes = 2 * statisticsBytes(s);
    return fuses(s, type) ? bytes + CudaHopperBackward.scratchBytes(s) : bytes;
  }

  /** Of one number a row: log-sum-exp or δ. */
  private static long statisticsBytes(Shape s) {
    return CudaScratch.padded(4L * s.batch() * s.heads() * padded(s));
  }

  /** Rows of a sequence, padded. */
  static int padded(Shape s) {
    return Math.ceilDiv(s.queries(), PADDING) * PADDING;
  }

  private boolean fuses(Shape s, DType type) {
    return hopper
        && type == DType.BF16
        && CudaHopperBackward.takes(s.headDim())
        && s.heads() > 0
        && s.kvHeads() > 0;
  }

  /** Assigns dq, dk and dv; see {@link CausalAttention#backward}. */
  void run(
      Shape s,
      int[] kvOf,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor o,
      Tensor lse,
      Tensor dO,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    Call c = new Call(s, lists.of(kvOf, s.kvHeads()), q, k, v, o, lse, dO, dq, dk, dv);
    check(c, kvOf);
    DType type = q.dtype();
    long lse2 = scratch.bytes(scratchBytes(s, type));
    long delta = lse2 + statisticsBytes(s);
    Variant variant = new Variant(type, s.headDim(), s.windowed(0));
    Plain sites = plain.computeIfAbsent(variant, this::plain);
    if (fuses(s, type)) {
      CudaHopperBackward site = fused.computeIfAbsent(variant, this::fused);
      long own = delta + statisticsBytes(s);
      rows(sites, c, lse2, delta, site.zeros(c, own), site.zeroFloats(c));
      site.run(c, lse2, delta, own);
    } else {
      rows(sites, c, lse2, delta, 0, 0);
      separately(sites, c, lse2, delta);
    }
  }

  private void rows(Plain sites, Call c, long lse2, long delta, long zero, long zeros) {
    Shape s = c.shape;
    int lanes = c.q.dtype() == DType.F32 ? 8 : CudaRows.team(s.headDim() / 8);
    int rows = 256 / lanes;
    int padded = padded(s);
    sites
        .rows
        .begin()
        .pointer(c.o)
        .pointer(c.dO)
        .pointer(c.lse)
        .address(lse2)
        .address(delta)
        .integer(s.queries())
        .integer(padded)
        .wide(c.queryRow(c.o))
        .wide(c.queryRow(c.dO))
        .address(zero)
        .wide(zeros)
        .launch(Math.ceilDiv(padded, rows), s.heads(), s.batch(), 256, 0);
  }

  private static void separately(Plain sites, Call c, long lse2, long delta) {
    Shape s = c.shape;
    int blocks = Math.ceilDiv(s.queries(), sites.own);
    int threads = c.q.dtype() == DType.F32 ? 256 : 128;
    LaunchArguments keys = begin(sites.keys, c, lse2, delta).pointer(c.dk).pointer(c.dv);
    sizes(keys, c).wide(c.keyRow(c.dk)).wide(c.keyRow(c.dv)).real(s.scale());
    window(keys, s).launch(blocks, s.kvHeads(), s.batch(), threads, sites.shared);
    LaunchArguments queries = begin(sites.queries, c, lse2, delta).pointer(c.dq);
    sizes(queries, c).wide(c.queryRow(c.dq)).real(s.scale());
    window(queries, s).launch(blocks, s.heads(), s.batch(), threads, sites.shared);
  }

  /** The last arguments of kernels with a window. */
  static LaunchArguments window(LaunchArguments a, Shape s) {
    return s.windowed(0) ? a.integer(s.window().size()).integer(s.window().sinks()) : a;
  }

  private static LaunchArguments begin(LaunchArguments site, Call c, long lse2, long delta) {
    return site.begin()
        .pointer(c.q)
        .pointer(c.k)
        .pointer(c.v)
        .pointer(c.dO)
        .address(lse2)
        .address(delta);
  }

  private static LaunchArguments sizes(LaunchArguments a, Call c) {
    return a.struct(c.heads)
        .integer(c.shape.heads())
        .integer(c.shape.queries())
        .integer(padded(c.shape))
        .wide(c.queryRow(c.q))
        .wide(c.keyRow(c.k))
        .wide(c.keyRow(c.v))
        .wide(c.queryRow(c.dO));
  }

  private CudaHopperBackward fused(Variant v) {
    return new CudaHopperBackward(device, v.headDim, deterministic, v.windowed);
  }

  private Plain plain(Variant v) {
    return v.type == DType.F32 ? float32(v) : bf16(v);
  }

  private Plain bf16(Variant v) {
    int d = v.headDim;
    String dim = "-DHEAD_DIM=" + d;
    CudaModule rows = module("attention_backward_rows.cu", dim, "-DBF16=1");
    CudaModule module = module("attention_backward.cu", dim, window(v.windowed));
    int own = d > 32 ? 64 : 128;
    int tile = d > 64 ? 32 : 64;
    int pitch = d + 8;
    int shared = 4 * tile * (2 * pitch + 4) + 4 * own * pitch;
    return plain(rows, module, own, shared);
  }

  private Plain float32(Variant v) {
    int d = v.headDim;
    String dim = "-DHEAD_DIM=" + d;
    CudaModule rows = module("attention_backward_rows.cu", dim, "-DBF16=0");
    int own = float32Shared(d, 64) <= device.maxSharedBytes() ? 64 : 32;
    CudaModule module =
        module("attention_backward_f32.cu", dim, "-DOWN=" + own, window(v.windowed));
    return plain(rows, module, own, float32Shared(d, own));
  }

  /** How kernels are told whether they have a window. */
  static String window(boolean windowed) {
    return "-DWINDOW=" + (windowed ? 1 : 0);
  }

  private static int float32Shared(int d, int own) {
    return 4 * (2 * (own + STREAM) * (d + 8) + 2 * own * (STREAM + 4));
  }

  private static Plain plain(CudaModule rows, CudaModule module, int own, int shared) {
    return new Plain(
        rows.kernel("attention_backward_rows").arguments(),
        module.kernel("attention_backward_keys").arguments(),
        module.kernel("attention_backward_queries").arguments(),
        own,
        shared);
  }

  private CudaModule module(String file, String... defines) {
    return device.module(CudaAttentionBackward.class, file, defines);
  }

  private void check(Call c, int[] kvOf) {
    Shape s = c.shape;
    DType type = c.q.dtype();
    int d = s.headDim();
    if (kvOf.length != s.heads()) {
      throw new IllegalArgumentException(
          kvOf.length + " entries of kvOf for " + s.heads() + " heads");
    }
    boolean bf16 = type == DType.BF16;
    if (d < 1 || d > MOST_DIM || (bf16 && d % 16 != 0) || (!bf16 && type != DType.F32)) {
      throw new IllegalArgumentException(
          "gradients of attention on a GPU take head dims up to %d, in bf16 multiples of 16, not %s with head dim %d"
              .formatted(MOST_DIM, c.q, d));
    }
    long rows = (long) s.batch() * s.queries();
    long queries = (long) s.heads() * d;
    long keys = (long) s.kvHeads() * d;
    check("q", c.q, type, rows, queries);
    check("o", c.o, type, rows, queries);
    check("dO", c.dO, type, rows, queries);
    check("dq", c.dq, type, rows, queries);
    check("k", c.k, type, rows, keys);
    check("v", c.v, type, rows, keys);
    check("dk", c.dk, type, rows, keys);
    check("dv", c.dv, type, rows, keys);
    if (!c.lse.contiguous()) {
      throw new IllegalArgumentException("lse is a column slice: " + c.lse);
    }
    check("lse", c.lse, DType.F32, rows, s.heads());
  }

  private void check(String name, Tensor t, DType type, long rows, long width) {
    if (t.memory() != device.memory() || t.dtype() != type || t.size() != rows * width) {
      throw new IllegalArgumentException(
          "%s is %s in %s, not %d rows of %d %s in %s"
              .formatted(name, t, t.memory(), rows, width, type, device.memory()));
    }
    if (type == DType.BF16 && !CudaRows.aligned(t, width)) {
      throw new IllegalArgumentException(
          name + " " + t + " has rows that do not start at multiples of 16 bytes");
    }
  }
}
