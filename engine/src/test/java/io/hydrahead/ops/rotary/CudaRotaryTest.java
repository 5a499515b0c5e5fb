package io.hydrahead.ops.rotary;

import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.nan;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CudaRotaryTest extends CudaOpsTesting {
  @ParameterizedTest
  @MethodSource("forms")
  void agreesWithTheReference(Form f) {
    Rotary reference = new ReferenceRotary();
    Rotary cuda = new CudaRotary(device());
    for (int d : new int[] {2, 32, 66, 128}) {
      int tokens = 69;
      int heads = 3;
      Tensor position = Tensor.allocate(Arena.ofAuto(), DType.I32, 1);
      position.setInt(0, 524_000); // where float32 angles would be off by 0.016
      Tensor frequencies = Tensor.allocate(Arena.ofAuto(), DType.F64, d / 2);
      for (int i = 0; i < d / 2; i++) {
        frequencies.setDouble(i, Math.pow(1e6, -2.0 * i / d));
      }
      Tensor cos = nan(tokens, d / 2);
      Tensor sin = nan(tokens, d / 2);
      reference.angles(position, frequencies, 1.1, cos, sin);
      Tensor cudaCos = empty(DType.F32, tokens, d / 2);
      Tensor cudaSin = empty(DType.F32, tokens, d / 2);
      cuda.angles(upload(position), upload(frequencies), 1.1, cudaCos, cudaSin);
      assertClose("cos", cudaCos, cos, 1e-7);
      assertClose("sin", cudaSin, sin, 1e-7);
      Tensor x = values(f, 1, 3L * tokens, (long) heads * d);
      for (boolean inverse : new boolean[] {false, true}) {
        Tensor expected = copy(x);
        reference.apply(expected, tokens, heads, d, cos, sin, inverse);
        Tensor actual = matrix(f, x);
        cuda.apply(actual, tokens, heads, d, cudaCos, cudaSin, inverse);
        assertClose(f + ", d " + d, actual, expected, f.stored(1e-6));
      }
    }
  }
}
