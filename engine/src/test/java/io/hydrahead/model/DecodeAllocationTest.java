package io.hydrahead.model;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.ChildJvm;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Decoding allocates nothing once it is compiled. Whether the compiler then boxes no vector is
 * decided once for a process, and on a busy machine now and then for the worse; so each look is a
 * process of its own, and one that sees no allocation will do.
 */
@Tag("alone")
class DecodeAllocationTest {
  private static final int TOKENS = 400;
  private static final int LOOKS = 4;
  private static final long PATIENCE_NANOS = 40_000_000_000L;

  @ParameterizedTest
  @ValueSource(strings = {"Transformer", "hybrid", "windows"})
  void decodeAllocatesNothing(String kind) throws IOException, InterruptedException {
    List<String> seen = new ArrayList<>();
    for (int i = 0; i < LOOKS && !seen.contains("0"); i++) {
      seen.add(look(kind));
    }
    assertThat(seen).as("bytes a token, one a process").contains("0");
  }

  private static String look(String kind) throws IOException, InterruptedException {
    List<String> flags =
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
            .filter(a -> a.startsWith("-X") || a.startsWith("--"))
            .toList();
    Process p =
        ChildJvm.of(flags, DecodeAllocationTest.class, kind).redirectErrorStream(true).start();
    String out = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    p.waitFor();
    return out.substring(out.lastIndexOf('\n') + 1);
  }

  /** Prints the fewest bytes a token that the decoding thread allocated over {@value #TOKENS}. */
  public static void main(String[] kind) {
    boolean hybrid = !kind[0].equals("Transformer");
    Style style = hybrid ? Style.HYDRAHEAD : Style.VANILLA;
    if (kind[0].equals("windows")) {
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
        long patience = System.nanoTime() + PATIENCE_NANOS; // vectors are boxed until compiled
        while (least > 0 && System.nanoTime() < patience) {
          s.reset();
          s.prefill(new int[] {1, 2, 3});
          long before = threads.getCurrentThreadAllocatedBytes();
          for (int i = 0; i < TOKENS; i++) {
            s.decode(i % 97);
          }
          least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        System.out.println(least / TOKENS + (least % TOKENS == 0 ? "" : " and more"));
      }
    }
  }
}
