package io.hydrahead.ops.deltarule;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Simd;
import io.hydrahead.tensor.Tensor;

/**
 * {@link GatedDeltaRule} on the cores of a team, some heads a task; without the Vector API, in
 * scalar Java. A sequence cut at multiples of {@link #CHUNK} gives the same bits as a whole one,
 * with any number of threads; a step sums in another order than a chunk.
 */
public final class CpuGatedDeltaRule implements GatedDeltaRule {
  private final GatedDeltaRule backend;

  public CpuGatedDeltaRule(ComputePool pool) {
    backend = Simd.available() ? new VectorGatedDeltaRule(pool) : new ReferenceGatedDeltaRule();
  }

  @Override
  public long savedFloats(Shape s) {
    return backend.savedFloats(s);
  }

  @Override
  public void forward(Shape s, Inputs in, int start, Tensor state, Tensor out, Tensor saved) {
    backend.forward(s, in, start, state, out, saved);
  }

  @Override
  public void backward(Shape s, Inputs in, Tensor saved, Tensor dOut, Tensor dState, Inputs grads) {
    backend.backward(s, in, saved, dOut, dState, grads);
  }

  @Override
  public void step(Shape s, Inputs in, Tensor state, Tensor out) {
    backend.step(s, in, state, out);
  }

  @Override
  public void step(Shape s, Inputs in, Tensor slots, Tensor states, Tensor out) {
    backend.step(s, in, slots, states, out);
  }
}
