package io.hydrahead.ops.swiglu;

import static io.hydrahead.ops.OpsTesting.nan;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CudaSwiGluTest extends CudaOpsTesting {
  @ParameterizedTest
  @MethodSource("forms")
  void agreesWithTheReference(Form f) {
    SwiGlu reference = new ReferenceSwiGlu();
    SwiGlu cuda = new CudaSwiGlu(device());
    for (int c : new int[] {33, 384}) {
      for (int n : new int[] {1, 13, 207}) {
        final String what = f + ", n " + n + ", width " + c;
        Tensor gate = values(f, 3, n, c);
        Tensor up = values(f, 1, n, c);
        Tensor dOut = values(f, 1, n, c);
        gate.set(0, 100f); // far beyond where e^x fits
        gate.set(c - 1, -200f);
        Tensor out = nan(n, c);
        Tensor dGate = nan(n, c);
        Tensor dUp = nan(n, c);
        reference.forward(gate, up, out);
        reference.backward(gate, up, dOut, dGate, dUp);
        Tensor cudaGate = matrix(f, gate);
        Tensor cudaUp = matrix(f, up);
        Tensor cudaOut = unwritten(f, n, c);
        cuda.forward(cudaGate, cudaUp, cudaOut);
        assertClose(what + " out", cudaOut, out, f.stored(1e-6));
        cuda.backward(cudaGate, cudaUp, matrix(f, dOut), cudaGate, cudaUp); // in place
        assertClose(what + " dGate", cudaGate, dGate, f.stored(2e-6));
        assertClose(what + " dUp", cudaUp, dUp, f.stored(2e-6));
      }
    }
  }
}
