package io.hydrahead.ops.swiglu;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** Argument checks that every backend of {@link SwiGlu} shares. */
final class SwiGluShape {
  private SwiGluShape() {}

  /** Returns the number of elements. */
  static long check(Tensor gate, Tensor up, Tensor out) {
    TensorChecks.floats("gate", gate, gate.size());
    TensorChecks.floats("up", up, gate.size());
    TensorChecks.floats("out", out, gate.size());
    return gate.size();
  }

  static long checkBackward(Tensor gate, Tensor up, Tensor dOut, Tensor dGate, Tensor dUp) {
    TensorChecks.floats("dGate", dGate, gate.size());
    TensorChecks.floats("dUp", dUp, gate.size());
    return check(gate, up, dOut);
  }
}
