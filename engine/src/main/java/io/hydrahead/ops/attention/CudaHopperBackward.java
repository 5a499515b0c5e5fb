package io.hydrahead.ops.attention;

import static io.hydrahead.ops.attention.CudaAttentionLayout.encode;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaModule;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.cuda.TensorMap;
import io.hydrahead.cuda.TensorMap.Swizzle;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.ops.attention.CudaAttentionBackward.Call;
import io.hydrahead.tensor.DType;

/** {@code attention_backward_hopper.cu} for one head dim, with or without a window. */
final class CudaHopperBackward {
  private static final float LOG2E = 1.44269504f;

  /** Loads in flight. */
  private static final int STAGES = 3;

  /** Tokens from which on the rows of one KV head fill the cache. */
  private static final int LONG = 8192;

  private final int d;
  private final boolean deterministic;

  /** Keys a block, 64 a warpgroup. */
  private final int keys;

  /** Query rows a step, and of a tile of dq. */
  private final int rows;

  private final int threads;
  private final int shared;
  private final LaunchArguments gradients;
  private final LaunchArguments finish;
  private final TensorMap q;
  private final TensorMap k;
  private final TensorMap v;
  private final TensorMap dO;

  CudaHopperBackward(CudaDevice device, int headDim, boolean deterministic, boolean windowed) {
    d = headDim;
    this.deterministic = deterministic;
    int groups = d == 32 ? 3 : 2;
    keys = 64 * groups;
    threads = 128 * (groups + 1);
    rows = rows(d);
    shared = 4 * keys * d + STAGES * rows * (4 * d + 8) + 4 * rows * keys + 512;
    CudaModule module =
        device.module(
            CudaHopperBackward.class,
            "attention_backward_hopper.cu",
            "-DHEAD_DIM=" + d,
            "-DSTAGES=" + STAGES,
            "-DDETERMINISTIC=" + (deterministic ? 1 : 0),
            CudaAttentionBackward.window(windowed));
    gradients = module.kernel("attention_backward_hopper").arguments();
    finish = module.kernel("attention_backward_finish").arguments();
    q = map(device, rows);
    k = map(device, keys);
    v = map(device, keys);
    dO = map(device, rows);
  }

  private TensorMap map(CudaDevice device, int boxRows) {
    Swizzle swizzle = d == 32 ? Swizzle.BYTES_64 : Swizzle.BYTES_128;
    return new TensorMap(device, DType.BF16, swizzle, Math.min(d, 64), boxRows, 1, 1);
  }

  static boolean takes(int headDim) {
    return headDim == 32 || headDim == 64 || headDim == 128;
  }

  private static int rows(int headDim) {
    return headDim == 64 ? 128 : 64;
  }

  /** Tiles of dq: each is a block of rows of one head. */
  private static long tiles(Shape s) {
    int r = rows(s.headDim());
    return (long) s.batch() * s.heads() * Math.ceilDiv(s.queries(), r);
  }

  private static long turnBytes(Shape s) {
    return CudaScratch.padded(4 * tiles(s));
  }

  private static long sumBytes(Shape s) {
    return 4 * tiles(s) * rows(s.headDim()) * s.headDim();
  }

  /** Whose turn it is at each tile, and the float32 sums of dq. */
  static long scratchBytes(Shape s) {
    return turnBytes(s) + sumBytes(s);
  }

  /** Address of what must be zero before {@link #run}. */
  long zeros(Call c, long scratch) {
    return deterministic ? scratch : scratch + turnBytes(c.shape());
  }

  /** How many 4-byte words must be. */
  long zeroFloats(Call c) {
    return (deterministic ? turnBytes(c.shape()) : sumBytes(c.shape())) / 4;
  }

  void run(Call c, long lse2, long delta, long scratch) {
    Shape s = c.shape();
    long sums = scratch + turnBytes(s);
    int blocks = Math.ceilDiv(s.queries(), keys);
    gradients
        .begin()
        .map(encode(q, c.q(), c.queryRow(c.q()), s.heads(), s))
        .map(encode(k, c.k(), c.keyRow(c.k()), s.kvHeads(), s))
        .map(encode(v, c.v(), c.keyRow(c.v()), s.kvHeads(), s))
        .map(encode(dO, c.dO(), c.queryRow(c.dO()), s.heads(), s))
        .address(lse2)
        .address(delta)
        .address(sums)
        .address(scratch)
        .pointer(c.dk())
        .pointer(c.dv())
        .struct(c.heads())
        .integer(s.heads())
        .integer(s.kvHeads())
        .integer(s.batch())
        .integer(s.queries())
        .integer(CudaAttentionBackward.padded(s))
        .wide(c.keyRow(c.dk()))
        .wide(c.keyRow(c.dv()))
        .integer(together(s))
        .integer(down(s) ? 1 : 0)
        .real(s.scale())
        .real(s.scale() * LOG2E);
    CudaAttentionBackward.window(gradients, s)
        .launch(Math.multiplyExact(blocks, s.kvHeads() * s.batch()), threads, shared);
    finish
        .begin()
        .address(sums)
        .pointer(c.dq())
        .integer(s.queries())
        .wide(c.queryRow(c.dq()))
        .real(s.scale())
        .launch(Math.ceilDiv(s.queries(), 64), s.heads(), s.batch(), 128, 0);
  }

  /**
   * Whether the longest blocks come first. Turns come soonest in the other order, from the diagonal
   * on; so it was measured.
   */
  private boolean down(Shape s) {
    return d == 128 && (!deterministic || s.queries() > LONG);
  }

  /** KV heads that are worked on side by side, as far as the cache holds their rows. */
  private int together(Shape s) {
    return s.queries() <= LONG ? 8 : deterministic && down(s) ? 2 : 1;
  }
}
