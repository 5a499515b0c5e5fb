package io.hydrahead.ops.swiglu;

import static io.hydrahead.ops.OpsTesting.assertClose;
import static io.hydrahead.ops.OpsTesting.assertGradient;
import static io.hydrahead.ops.OpsTesting.assertSameBits;
import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.dot;
import static io.hydrahead.ops.OpsTesting.nan;
import static io.hydrahead.ops.OpsTesting.onEverySize;
import static io.hydrahead.ops.OpsTesting.onEveryTeam;
import static io.hydrahead.ops.OpsTesting.random;
import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import java.util.Random;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class SwiGluTest {
  private final Random random = new Random(4);
  private final SwiGlu reference = new ReferenceSwiGlu();

  @Test
  void referenceGradients() {
    Tensor gate = random(random, 2, 3, 5);
    Tensor up = random(random, 1, 3, 5);
    Tensor dOut = random(random, 1, 3, 5);
    Tensor dGate = nan(3, 5);
    Tensor dUp = nan(3, 5);
    reference.backward(gate, up, dOut, dGate, dUp);
    Tensor out = nan(3, 5);
    DoubleSupplier loss =
        () -> {
          reference.forward(gate, up, out);
          return dot(out, dOut);
        };
    assertGradient("dGate", gate, dGate, loss, 1e-3);
    assertGradient("dUp", up, dUp, loss, 1e-3);
  }

  @Test
  @Tag("scalar")
  void cpuEqualsReferenceInPlaceToo() {
    onEverySize((n, f) -> {
      Tensor gate = random(random, 4, n, f);
      Tensor up = random(random, 1, n, f);
      Tensor dOut = random(random, 1, n, f);
      Tensor out = nan(n, f);
      Tensor dGate = nan(n, f);
      Tensor dUp = nan(n, f);
      reference.forward(gate, up, out);
      reference.backward(gate, up, dOut, dGate, dUp);
      Tensor[] first = {null, null, null};
      onEveryTeam(pool -> {
        String what = "n " + n + ", f " + f + ", threads " + pool.threads();
        SwiGlu cpu = new CpuSwiGlu(pool);
        Tensor y = nan(n, f);
        cpu.forward(gate, up, y);
        assertClose(what + " out", y, out, 1e-6);
        Tensor g = copy(gate);
        Tensor u = copy(up);
        cpu.backward(g, u, dOut, g, u);
        assertClose(what + " dGate", g, dGate, 1e-6);
        assertClose(what + " dUp", u, dUp, 1e-6);
        Tensor[] now = {y, g, u};
        for (int i = 0; i < now.length; i++) {
          first[i] = first[i] == null ? now[i] : first[i];
          assertSameBits(what, now[i], first[i]);
        }
      });
    });
  }

  @Test
  @Tag("scalar")
  void extremeGates() {
    float[] gates = new float[40];
    for (int i = 0; i < gates.length; i++) {
      gates[i] = (float) (Math.pow(10, i % 20 / 4.0) * (i < 20 ? 1 : -1));
    }
    Tensor gate = Tensor.of(gates, 1, 40);
    Tensor ones = Tensor.of(new float[40], 1, 40);
    ones.fill(1f);
    Tensor expected = nan(1, 40);
    Tensor expectedGate = nan(1, 40);
    reference.forward(gate, ones, expected);
    reference.backward(gate, ones, ones, expectedGate, nan(1, 40));
    try (ComputePool pool = new ComputePool(1)) {
      SwiGlu cpu = new CpuSwiGlu(pool);
      Tensor y = nan(1, 40);
      Tensor dGate = nan(1, 40);
      cpu.forward(gate, ones, y);
      cpu.backward(gate, ones, ones, dGate, nan(1, 40));
      for (int i = 0; i < 40; i++) {
        float tolerance = 1e-6f * Math.abs(expected.get(i)) + 1e-35f;
        assertThat(y.get(i) - expected.get(i))
            .as("at %s", gates[i])
            .isBetween(-tolerance, tolerance);
        assertThat(dGate.get(i) - expectedGate.get(i))
            .as("at %s", gates[i])
            .isBetween(-2e-6f, 2e-6f);
      }
    }
  }
}
