package io.hydrahead.ops.swiglu;

import static io.hydrahead.ops.Floats.get;
import static io.hydrahead.ops.Floats.set;

import io.hydrahead.ops.Floats;
import io.hydrahead.ops.Rows;
import io.hydrahead.ops.Slices;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Simd;
import io.hydrahead.tensor.Tensor;
import java.util.function.IntConsumer;

/** {@link SwiGlu} on the CPU: slices of the flat arrays. */
public final class CpuSwiGlu implements SwiGlu {
  private static final boolean SIMD = Simd.available();

  private final ComputePool pool;
  private final IntConsumer forwardTask = this::forwardSlice;
  private final IntConsumer backwardTask = this::backwardSlice;

  // The work under way; the tensors are fields so that their memory stays alive.
  private Tensor gate;
  private Tensor up;
  private Tensor out;
  private Tensor dGate;
  private Tensor dUp;
  private long size;
  private int slices;

  public CpuSwiGlu(ComputePool pool) {
    this.pool = pool;
  }

  @Override
  public synchronized void forward(Tensor gate, Tensor up, Tensor out) {
    size = SwiGluShape.check(gate, up, out);
    this.gate = gate;
    this.up = up;
    this.out = out;
    slices = Slices.flat(size);
    pool.run(slices, forwardTask);
  }

  private void forwardSlice(int slice) {
    long from = Slices.firstFlat(slice, slices, size);
    long count = Slices.firstFlat(slice + 1, slices, size) - from;
    long g = Floats.address(gate) + 4 * from;
    long u = Floats.address(up) + 4 * from;
    long o = Floats.address(out) + 4 * from;
    if (SIMD) {
      VectorSwiGlu.forward(g, u, o, count);
    }
    for (long i = 4 * Rows.whole(count); i < 4 * count; i += 4) {
      float x = get(g + i);
      set(o + i, x * sigmoid(x) * get(u + i));
    }
  }

  @Override
  public synchronized void backward(Tensor gate, Tensor up, Tensor dOut, Tensor dGate, Tensor dUp) {
    size = SwiGluShape.checkBackward(gate, up, dOut, dGate, dUp);
    this.gate = gate;
    this.up = up;
    this.out = dOut;
    this.dGate = dGate;
    this.dUp = dUp;
    slices = Slices.flat(size);
    pool.run(slices, backwardTask);
  }

  private void backwardSlice(int slice) {
    long from = Slices.firstFlat(slice, slices, size);
    long count = Slices.firstFlat(slice + 1, slices, size) - from;
    long g = Floats.address(gate) + 4 * from;
    long u = Floats.address(up) + 4 * from;
    long d = Floats.address(out) + 4 * from;
    long dg = Floats.address(dGate) + 4 * from;
    long du = Floats.address(dUp) + 4 * from;
    if (SIMD) {
      VectorSwiGlu.backward(g, u, d, dg, du, count);
    }
    for (long i = 4 * Rows.whole(count); i < 4 * count; i += 4) {
      float x = get(g + i);
      float upstream = get(d + i);
      float s = sigmoid(x);
      float slope = Math.fma(x * s, 1 - s, s);
      set(dg + i, upstream * get(u + i) * slope);
      set(du + i, upstream * x * s);
    }
  }

  private static float sigmoid(float x) {
    return (float) (1 / (1 + Math.exp(-x)));
  }
}
