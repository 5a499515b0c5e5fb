package io.hydrahead.ops.decay;

import io.hydrahead.tensor.Tensor;

/** {@link DecayGate} as plain loops in float64. */
public final class ReferenceDecayGate implements DecayGate {
  @Override
  public void forward(
      Tensor a, Tensor b, Tensor aLog, Tensor dtBias, float betaMax, Tensor g, Tensor beta) {
    int h = DecayShape.check(a, b, aLog, dtBias, g, beta);
    for (long i = 0; i < a.size(); i++) {
      int head = (int) (i % h);
      double rate = Math.exp(aLog.get(head));
      g.set(i, (float) (-rate * softplus((double) a.get(i) + dtBias.get(head))));
      beta.set(i, (float) (betaMax * sigmoid(b.get(i))));
    }
  }

  /** dA_log = Σ dg·g, da = −exp(A_log)·σ(a + dt_bias)·dg, ddt_bias = Σ da. */
  @Override
  public void backward(
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
      Tensor dDtBias) {
    int h = DecayShape.checkBackward(a, b, aLog, dtBias, dg, dBeta, da, db, dALog, dDtBias);
    double[] logSums = new double[h];
    double[] biasSums = new double[h];
    for (long i = 0; i < a.size(); i++) {
      int head = (int) (i % h);
      double rate = Math.exp(aLog.get(head));
      double dt = (double) a.get(i) + dtBias.get(head);
      double upstream = dg.get(i);
      double slope = -rate * sigmoid(dt) * upstream;
      logSums[head] -= upstream * rate * softplus(dt);
      biasSums[head] += slope;
      double strength = sigmoid(b.get(i));
      double weight = betaMax * strength * (1 - strength) * dBeta.get(i);
      da.set(i, (float) slope);
      db.set(i, (float) weight);
    }
    for (int head = 0; head < h; head++) {
      dALog.set(head, (float) (dALog.get(head) + logSums[head]));
      dDtBias.set(head, (float) (dDtBias.get(head) + biasSums[head]));
    }
  }

  private static double softplus(double x) {
    return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }
}
