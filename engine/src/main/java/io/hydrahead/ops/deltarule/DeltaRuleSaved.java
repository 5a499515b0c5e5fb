package io.hydrahead.ops.deltarule;

import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * How a GPU lays out what the backward pass needs, all of it in the type of the inputs, per chunk
 * of each head: the state before it [B, H, chunks, K, V]; T = Γ ⊙ (I + strictLower(β K Kᵀ))⁻¹ [B,
 * H, chunks, 64, 64], the identity past a ragged tail. Where the forward pass runs in chunks, also
 * V′ [B·T, H·V] and the scores P = Γ ⊙ QKᵀ/√K [B, H, chunks, 64, 64].
 *
 * @param products whether V′ and P are saved
 */
record DeltaRuleSaved(long states, long inverses, long writes, boolean products) {
  private static final int CHUNK = GatedDeltaRule.CHUNK;

  static DeltaRuleSaved of(Shape s, DType type) {
    long chunks = (long) s.batch() * s.heads() * ((s.tokens() + CHUNK - 1) / CHUNK);
    long rows = (long) s.batch() * s.tokens();
    return new DeltaRuleSaved(
        chunks * s.keyDim() * s.valueDim() * type.bytes(),
        chunks * CHUNK * CHUNK * type.bytes(),
        rows * s.heads() * s.valueDim() * type.bytes(),
        CudaDeltaRuleForward.inChunks(s, type));
  }

  /** Size of the whole, in float32 elements. */
  long floats() {
    return ((products ? scoresAt() : inversesAt()) + inverses + 3) / 4;
  }

  private long inversesAt() {
    return CudaScratch.padded(states);
  }

  private long writesAt() {
    return inversesAt() + CudaScratch.padded(inverses);
  }

  private long scoresAt() {
    return writesAt() + CudaScratch.padded(writes);
  }

  MemorySegment states(Tensor saved) {
    return saved.segment().asSlice(0, states);
  }

  MemorySegment inverses(Tensor saved) {
    return saved.segment().asSlice(inversesAt(), inverses);
  }

  /** V′, or null. */
  MemorySegment writes(Tensor saved) {
    return products ? saved.segment().asSlice(writesAt(), writes) : null;
  }

  /** P, or null. */
  MemorySegment scores(Tensor saved) {
    return products ? saved.segment().asSlice(scoresAt(), inverses) : null;
  }
}
