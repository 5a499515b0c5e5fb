package io.hydrahead.ops.deltarule;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.TensorMap;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/**
 * {@link GatedDeltaRule} on a GPU. q, k, v, the output and their gradients are float32 or bf16, all
 * of one type, possibly column slices; g, β, states and the gradients of these are float32.
 *
 * <p>bf16 heads with K in 16, 32, 64, 128 and V a multiple of 16 run in chunks on tensor cores,
 * everything else token by token in float32 arithmetic.
 */
public final class CudaGatedDeltaRule implements GatedDeltaRule {
  private final DType activations;
  private final CudaDeltaRuleForward forward;
  private final CudaDeltaRuleRecurrence recurrence;
  private final CudaDeltaRuleBackward backward;

  /**
   * The operation on {@code device}.
   *
   * @param scratch what the operations of the device share
   * @param activations type of q, k, v and the output in training: F32 or BF16
   */
  public CudaGatedDeltaRule(CudaDevice device, CudaScratch scratch, DType activations) {
    this.activations = activations;
    recurrence = new CudaDeltaRuleRecurrence(device);
    forward = new CudaDeltaRuleForward(device, recurrence, scratch);
    backward = new CudaDeltaRuleBackward(device, scratch);
  }

  @Override
  public long savedFloats(Shape s) {
    return DeltaRuleSaved.of(s, activations).floats();
  }

  @Override
  public void forward(Shape s, Inputs in, int start, Tensor state, Tensor out, Tensor saved) {
    check(s, in, state, out);
    if (saved != null) {
      checkSaved(s, in, saved);
      if (start != 0) {
        throw new IllegalArgumentException("training starts at position 0, not " + start);
      }
    }
    if (s.batch() > 0 && s.tokens() > 0 && s.heads() > 0) {
      forward.run(s, in, start, state, out, saved);
    }
  }

  @Override
  public void backward(Shape s, Inputs in, Tensor saved, Tensor dOut, Tensor dState, Inputs grads) {
    check(s, in, dState, dOut);
    check(s, grads, dState, dOut);
    checkSaved(s, in, saved);
    DeltaRuleSaved parts = DeltaRuleSaved.of(s, activations);
    backward.run(s, in, parts.states(saved), parts.inverses(saved), dOut, dState, grads);
  }

  @Override
  public void step(Shape s, Inputs in, Tensor state, Tensor out) {
    check(s, in, state, out);
    if (s.tokens() != 1) {
      throw new IllegalArgumentException("a step takes one token, not " + s.tokens());
    }
    if (s.batch() > 0 && s.heads() > 0 && !recurrence.step(s, in, null, state, out)) {
      recurrence.run(s, in, state, out, null);
    }
  }

  @Override
  public void step(Shape s, Inputs in, Tensor slots, Tensor states, Tensor out) {
    checkRows(s, in, out);
    DeltaRuleShape.checkSlots(s, slots, states);
    if (s.batch() > 0 && s.heads() > 0 && !recurrence.step(s, in, slots, states, out)) {
      GatedDeltaRule.super.step(s, in, slots, states, out);
    }
  }

  private void checkSaved(Shape s, Inputs in, Tensor saved) {
    if (in.q().dtype() != activations) {
      throw new IllegalArgumentException(
          "training in " + activations + " with inputs in " + in.q().dtype());
    }
    TensorChecks.floats("saved", saved, savedFloats(s));
  }

  /** Allocates only when it fails. */
  private static void check(Shape s, Inputs in, Tensor state, Tensor out) {
    checkRows(s, in, out);
    TensorChecks.floats("state", state, (long) s.batch() * s.heads() * s.keyDim() * s.valueDim());
    if (!state.contiguous()) {
      throw new IllegalArgumentException("states cannot be column slices, as " + state + " is");
    }
  }

  private static void checkRows(Shape s, Inputs in, Tensor out) {
    long tokens = (long) s.batch() * s.tokens();
    DType type = in.q().dtype();
    if (type != DType.F32 && type != DType.BF16) {
      throw new IllegalArgumentException("the delta rule takes F32 or BF16, not " + in.q());
    }
    rows("q", in.q(), type, tokens, (long) s.heads() * s.keyDim());
    rows("k", in.k(), type, tokens, (long) s.heads() * s.keyDim());
    rows("v", in.v(), type, tokens, (long) s.heads() * s.valueDim());
    rows("out", out, type, tokens, (long) s.heads() * s.valueDim());
    rows("g", in.g(), DType.F32, tokens, s.heads());
    rows("beta", in.beta(), DType.F32, tokens, s.heads());
  }

  private static void rows(String name, Tensor t, DType type, long rows, long width) {
    if (t.dtype() != type || t.size() != rows * width || !t.contiguous() && t.dim(-1) != width) {
      throw new IllegalArgumentException(
          name + " is " + t + ", the delta rule needs " + rows + " rows of " + width + " " + type);
    }
  }

  /** Encodes a tensor of rows of {@code width} elements as [B, T, width]. */
  static void encode(TensorMap map, Tensor t, long width, Shape s) {
    long row = CudaRows.stride(t, width);
    map.encode(t.segment(), width, s.tokens(), row, s.batch(), row * s.tokens());
  }

  /** For tests: cuts every text into that many segments; 0 as many as pay. */
  void forceSegments(int segments) {
    forward.forceSegments(segments);
  }
}
