package io.hydrahead.ops.deltarule;

import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * How a GPU lays out what the backward pass needs, all of it in the type of the inputs: the states
 * before each chunk [B, H, chunks, K, V], then T = Γ ⊙ (I + strictLower(β K Kᵀ))⁻¹ of each chunk
 * [B, H, chunks, 64, 64] (the identity past a ragged tail).
 */
record DeltaRuleSaved(long statesBytes, long inversesBytes) {
  private static final int CHUNK = GatedDeltaRule.CHUNK;

  static DeltaRuleSaved of(Shape s, DType type) {
    long chunks = (long) s.batch() * s.heads() * Math.ceilDiv(s.tokens(), CHUNK);
    return new DeltaRuleSaved(
        chunks * s.keyDim() * s.valueDim() * type.bytes(), chunks * CHUNK * CHUNK * type.bytes());
  }

  /** Size of the whole, in float32 elements. */
  long floats() {
    return Math.ceilDiv(CudaScratch.padded(statesBytes) + inversesBytes, Float.BYTES);
  }

  MemorySegment states(Tensor saved) {
    return saved.segment().asSlice(0, statesBytes);
  }

  MemorySegment inverses(Tensor saved) {
    return saved.segment().asSlice(CudaScratch.padded(statesBytes), inversesBytes);
  }
}
