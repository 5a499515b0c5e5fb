package io.hydrahead.ops.swiglu;

import io.hydrahead.tensor.Tensor;

/** out = silu(gate) ⊙ up, all [N, F] float32. */
public interface SwiGlu {
  void forward(Tensor gate, Tensor up, Tensor out);

  /** Assigns dGate and dUp; they may be the memory of gate and up. */
  void backward(Tensor gate, Tensor up, Tensor dOut, Tensor dGate, Tensor dUp);
}
