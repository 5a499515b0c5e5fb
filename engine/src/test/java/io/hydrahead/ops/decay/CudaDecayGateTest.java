package io.hydrahead.ops.decay;

import static io.hydrahead.ops.OpsTesting.nan;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.ops.OpsTesting;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CudaDecayGateTest extends CudaOpsTesting {
  @ParameterizedTest
  @MethodSource("forms")
  void agreesWithTheReference(Form f) {
    DecayGate reference = new ReferenceDecayGate();
    DecayGate cuda = new CudaDecayGate(device(), scratch());
    for (int h : new int[] {1, 3, 14, 300}) {
      for (int n : new int[] {1, 13, h == 14 ? 2070 : 30}) {
        final String what = f + ", n " + n + ", heads " + h;
        final Tensor a = values(f, 3, n, h);
        final Tensor b = values(f, 2, n, h);
        final Tensor aLog = OpsTesting.random(random, 1, h);
        final Tensor dtBias = OpsTesting.random(random, 1, h);
        final Tensor dg = OpsTesting.random(random, 1, n, h);
        final Tensor dBeta = OpsTesting.random(random, 1, n, h);
        final Tensor dALog = OpsTesting.random(random, 1, h);
        final Tensor dDtBias = OpsTesting.random(random, 1, h);
        final Tensor cudaDALog = upload(dALog);
        final Tensor cudaDDtBias = upload(dDtBias);
        Tensor g = nan(n, h);
        Tensor beta = nan(n, h);
        Tensor da = nan(n, h);
        Tensor db = nan(n, h);
        reference.forward(a, b, aLog, dtBias, 2f, g, beta);
        reference.backward(a, b, aLog, dtBias, 2f, dg, dBeta, da, db, dALog, dDtBias);

        final Tensor cudaA = matrix(f, a);
        final Tensor cudaB = matrix(f, b);
        final Tensor cudaALog = upload(aLog);
        final Tensor cudaDtBias = upload(dtBias);
        Tensor cudaG = empty(DType.F32, n, h);
        Tensor cudaBeta = empty(DType.F32, n, h);
        Tensor cudaDa = unwritten(f, n, h);
        Tensor cudaDb = unwritten(f, n, h);
        cuda.forward(cudaA, cudaB, cudaALog, cudaDtBias, 2f, cudaG, cudaBeta);
        assertClose(what + " g", cudaG, g, 1e-6);
        assertClose(what + " beta", cudaBeta, beta, 1e-6);
        cuda.backward(
            cudaA,
            cudaB,
            cudaALog,
            cudaDtBias,
            2f,
            upload(dg),
            upload(dBeta),
            cudaDa,
            cudaDb,
            cudaDALog,
            cudaDDtBias);
        assertClose(what + " da", cudaDa, da, f.stored(3e-6));
        assertClose(what + " db", cudaDb, db, f.stored(3e-6));
        assertClose(what + " dA_log", cudaDALog, dALog, 5e-5);
        assertClose(what + " ddt_bias", cudaDDtBias, dDtBias, 5e-5);
      }
    }
  }
}
