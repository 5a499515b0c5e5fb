package io.hydrahead.ops.swiglu;

import io.hydrahead.tensor.Tensor;

/** {@link SwiGlu} as plain loops; silu(x) = x·σ(x). */
public final class ReferenceSwiGlu implements SwiGlu {
  @Override
  public void forward(Tensor gate, Tensor up, Tensor out) {
    long size = SwiGluShape.check(gate, up, out);
    for (long i = 0; i < size; i++) {
      double g = gate.get(i);
      out.set(i, (float) (g * sigmoid(g) * up.get(i)));
    }
  }

  /** silu′(x) = σ(x) · (1 + x · (1 − σ(x))). */
  @Override
  public void backward(Tensor gate, Tensor up, Tensor dOut, Tensor dGate, Tensor dUp) {
    long size = SwiGluShape.checkBackward(gate, up, dOut, dGate, dUp);
    for (long i = 0; i < size; i++) {
      double g = gate.get(i);
      double u = up.get(i);
      double d = dOut.get(i);
      double s = sigmoid(g);
      dGate.set(i, (float) (d * u * s * (1 + g * (1 - s))));
      dUp.set(i, (float) (d * g * s));
    }
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }
}
