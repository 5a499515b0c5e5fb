package io.hydrahead.ops.swiglu;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** Argument checks that every backend of {@link SwiGlu} shares. */
final class SwiGluShape {
  private SwiGluShape() {}

  /** Returns the number of elements. */
  static long check(Tensor gate, Tensor up, Tensor out) {
    TensorChecks.activations("gate", gate, gate.size());
    TensorChecks.same("up", up, gate.size(), gate);
    TensorChecks.same("out", out, gate.size(), gate);
    return gate.size();
  }

  static long checkBackward(Tensor gate, Tensor up, Tensor dOut, Tensor dGate, Tensor dUp) {
    TensorChecks.same("dGate", dGate, gate.size(), gate);
    TensorChecks.same("dUp", dUp, gate.size(), gate);
    return check(gate, up, dOut);
  }
}
