package io.hydrahead.ops.rotary;

import static io.hydrahead.ops.Floats.get;
import static io.hydrahead.ops.Floats.set;

import io.hydrahead.ops.Floats;
import io.hydrahead.ops.Rows;
import io.hydrahead.ops.Slices;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Simd;
import io.hydrahead.tensor.Tensor;
import java.util.function.IntConsumer;

/** {@link Rotary} on the CPU: slices of rows. */
public final class CpuRotary implements Rotary {
  private static final boolean SIMD = Simd.available();

  private final ComputePool pool;
  private final IntConsumer task = this::slice;

  // The work under way; the tensors are fields so that their memory stays alive.
  private Tensor x;
  private Tensor cos;
  private Tensor sin;
  private int tokens;
  private int heads;
  private int half;
  private float sign;
  private int n;
  private int slices;

  public CpuRotary(ComputePool pool) {
    this.pool = pool;
  }

  @Override
  public synchronized void apply(
      Tensor x, int tokens, int heads, int headDim, Tensor cos, Tensor sin, boolean inverse) {
    n = RotaryShape.check(x, tokens, heads, headDim, cos, sin);
    this.x = x;
    this.cos = cos;
    this.sin = sin;
    this.tokens = tokens;
    this.heads = heads;
    half = headDim / 2;
    sign = inverse ? -1f : 1f;
    slices = Slices.count(n, (long) heads * headDim);
    pool.run(slices, task);
  }

  private void slice(int slice) {
    long end = Slices.first(slice + 1, slices, n);
    long rows = Floats.address(x);
    long cosines = Floats.address(cos);
    long sines = Floats.address(sin);
    for (long r = Slices.first(slice, slices, n); r < end; r++) {
      long angles = 4 * (r % tokens) * half;
      long head = rows + 8 * r * heads * half;
      for (int h = 0; h < heads; h++, head += 8L * half) {
        rotate(head, cosines + angles, sines + angles, half, sign);
      }
    }
  }

  /** Rotates one head by address, by the angles of its position; {@code sign} −1 rotates back. */
  public static void rotate(long head, long cos, long sin, int half, float sign) {
    long other = 4L * half;
    if (SIMD) {
      VectorRotary.rotate(head, cos, sin, half, sign);
    }
    for (long i = 4 * Rows.whole(half); i < other; i += 4) {
      float c = get(cos + i);
      float s = sign * get(sin + i);
      float first = get(head + i);
      float second = get(head + other + i);
      set(head + i, first * c - second * s);
      set(head + other + i, second * c + first * s);
    }
  }
}
