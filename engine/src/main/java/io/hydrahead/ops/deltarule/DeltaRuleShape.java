package io.hydrahead.ops.deltarule;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Inputs;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** What every backend checks before it touches memory. */
final class DeltaRuleShape {
  private DeltaRuleShape() {}

  static void check(Shape s, Inputs in, Tensor state, Tensor out) {
    checkRows(s, in, out);
    exactly("state", state, (long) s.batch() * s.heads() * s.keyDim() * s.valueDim());
  }

  /** Of a step whose states lie in slots of a pool. */
  static void checkSlots(Shape s, Tensor slots, Tensor states) {
    long width = (long) s.heads() * s.keyDim() * s.valueDim();
    if (states.dtype() != DType.F32 || states.rank() != 2 || states.dim(1) != width) {
      throw new IllegalArgumentException("states are " + states + ", not [slots, " + width + "]");
    }
    if (slots.dtype() != DType.I32 || slots.size() < s.batch() || s.tokens() != 1) {
      throw new IllegalArgumentException(slots + " are not the slots of " + s + ", a token each");
    }
  }

  static void checkRows(Shape s, Inputs in, Tensor out) {
    long rows = (long) s.batch() * s.tokens() * s.heads();
    activations("q", in.q(), rows * s.keyDim());
    activations("k", in.k(), rows * s.keyDim());
    activations("v", in.v(), rows * s.valueDim());
    exactly("g", in.g(), rows);
    exactly("beta", in.beta(), rows);
    activations("out", out, rows * s.valueDim());
  }

  private static void activations(String name, Tensor t, long elements) {
    TensorChecks.activations(name, t, elements);
  }

  static void exactly(String name, Tensor t, long floats) {
    if (t.dtype() != DType.F32 || t.size() != floats) {
      throw new IllegalArgumentException(
          name + " is " + t + ", the delta rule needs " + floats + " float32 elements");
    }
  }
}
