package io.hydrahead.ops.decay;

import io.hydrahead.tensor.Tensor;

/**
 * Log-decay and write strength of GDN heads: g = −exp(A_log) · softplus(a + dt_bias) ≤ 0 and β =
 * betaMax · σ(b). a, b, g, beta [N, h]; A_log, dt_bias [h]; all float32.
 */
public interface DecayGate {
  void forward(
      Tensor a, Tensor b, Tensor aLog, Tensor dtBias, float betaMax, Tensor g, Tensor beta);

  /** Assigns da, db [N, h]; dALog and dDtBias [h] accumulate. */
  void backward(
      Tensor a,
      Tensor b,
      Tensor aLog,
      Tensor dtBias,
      float betaMax,
      Tensor dg,
      Tensor dBeta,
      Tensor da,
      Tensor db,
      Tensor dALog,
      Tensor dDtBias);
}
