package io.hydrahead.model;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("alone")
class DecodeAllocationTest {
  private static final int TOKENS = 400;

  /** The decoding thread allocates nothing a token once everything is warm. */
  @ParameterizedTest
  @ValueSource(strings = {"Transformer", "hybrid", "hybrid with windows"})
  void decodeAllocatesNothing(String kind) {
    boolean hybrid = !kind.equals("Transformer");
    Style style = hybrid ? Style.HYDRAHEAD : Style.VANILLA;
    if (kind.endsWith("windows")) {
      style = style.withWindow(50, 4);
    }
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (Ops ops = OpsFactory.cpu(new OpsOptions(2, "java", false))) {
      HybridTransformer m =
          TestModels.random(
              TestModels.config(),
              hybrid ? TestModels.headWise() : HeadPlan.allFull(3, 4),
              style,
              ops,
              3);
      try (Session s = m.newSession(2 * TOKENS)) {
        long least = Long.MAX_VALUE;
        long patience = System.nanoTime() + 120_000_000_000L; // vectors are boxed until compiled
        while (least > 0 && System.nanoTime() < patience) {
          s.reset();
          s.prefill(new int[] {1, 2, 3});
          long before = threads.getCurrentThreadAllocatedBytes();
          for (int i = 0; i < TOKENS; i++) {
            s.decode(i % 97);
          }
          least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        assertThat(least / TOKENS).as("bytes a token").isZero();
      }
    }
  }
}
