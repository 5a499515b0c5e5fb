package io.hydrahead.ops.decay;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** Argument checks that every backend of {@link DecayGate} shares. */
final class DecayShape {
  private DecayShape() {}

  /** Returns the number of heads h. */
  static int check(Tensor a, Tensor b, Tensor aLog, Tensor dtBias, Tensor g, Tensor beta) {
    int h = a.size(-1);
    TensorChecks.activations("a", a, a.size());
    TensorChecks.same("b", b, a.size(), a);
    TensorChecks.floats("A_log", aLog, h);
    TensorChecks.floats("dt_bias", dtBias, h);
    TensorChecks.floats("g", g, a.size());
    TensorChecks.floats("beta", beta, a.size());
    return h;
  }

  static int checkBackward(
      Tensor a,
      Tensor b,
      Tensor aLog,
      Tensor dtBias,
      Tensor dg,
      Tensor dBeta,
      Tensor da,
      Tensor db,
      Tensor dALog,
      Tensor dDtBias) {
    int h = check(a, b, aLog, dtBias, dg, dBeta);
    TensorChecks.same("da", da, a.size(), a);
    TensorChecks.same("db", db, a.size(), a);
    TensorChecks.floats("dA_log", dALog, h);
    TensorChecks.floats("d dt_bias", dDtBias, h);
    return h;
  }
}
