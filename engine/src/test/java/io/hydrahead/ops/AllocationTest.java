package io.hydrahead.ops;

import static io.hydrahead.ops.OpsTesting.random;
import static io.hydrahead.ops.OpsTesting.zeros;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import io.hydrahead.ops.fusion.HeadFusion;
import io.hydrahead.ops.headprep.HeadPrep;
import io.hydrahead.ops.optim.Optim;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.management.ManagementFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Once compiled, no operation allocates: training steps and decoding leave the collector alone. */
@Tag("slow") // on a machine that is busy the compiler may leave one operation's vectors boxed
@Tag("alone")
class AllocationTest {
  private static final int QUIET_CALLS = 100;
  private static final long PATIENCE_NANOS = 180_000_000_000L; // compilers starve on busy machines
  private static final int N = 70;
  private static final int C = 80;
  private static final int HEADS = 5;
  private static final int D = 16;

  private final Random random = new Random(11);

  @Test
  void noOperationAllocates() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (Ops ops = OpsFactory.cpu(new OpsOptions(1, "java", false))) {
      calls(ops)
          .forEach((name, call) -> {
            long deadline = System.nanoTime() + PATIENCE_NANOS;
            int quiet = 0;
            long last = 0;
            while (quiet < QUIET_CALLS && System.nanoTime() < deadline) {
              long before = threads.getCurrentThreadAllocatedBytes();
              call.run();
              long allocated = threads.getCurrentThreadAllocatedBytes() - before;
              last = allocated == 0 ? last : allocated;
              quiet = allocated == 0 ? quiet + 1 : 0;
            }
            assertThat(quiet)
                .as("%s: calls without allocation; it last took %s bytes", name, last)
                .isEqualTo(QUIET_CALLS);
          });
    }
  }

  private Map<String, Runnable> calls(Ops ops) {
    Tensor x = random(random, 1, N, C);
    Tensor y = random(random, 1, N, C);
    Tensor z = random(random, 1, N, C);
    Tensor to = zeros(N, C);
    Tensor to2 = zeros(N, C);
    Tensor w = random(random, 1, C);
    Tensor dw = zeros(C);
    Tensor dw2 = zeros(C);
    Tensor rows = zeros(N);
    Map<String, Runnable> calls = new LinkedHashMap<>();
    calls.put("rmsNorm", () -> ops.rmsNorm().forward(x, w, 1e-6f, to, rows));
    calls.put("rmsNorm′", () -> ops.rmsNorm().backward(x, w, rows, y, to, false, dw));
    calls.put("l2Norm", () -> ops.l2Norm().forward(x, 1e-6f, to, rows));
    calls.put("l2Norm′", () -> ops.l2Norm().backward(x, rows, y, to));
    Tensor cos = random(random, 1, N, D / 2);
    calls.put("rotary", () -> ops.rotary().apply(to, N, HEADS, D, cos, cos, false));
    calls.put("swiGlu", () -> ops.swiGlu().forward(x, y, to));
    calls.put("swiGlu′", () -> ops.swiGlu().backward(x, y, z, to, to2));
    HeadFusion.Switches s = new HeadFusion.Switches(true, true, true, 1e-6f);
    int[] heads = {6, 0, 2, 3, 4};
    Tensor wide = zeros(N, 7 * D);
    Tensor rstd = zeros(N, HEADS);
    Tensor gamma = random(random, 1, 7);
    Tensor dGamma = zeros(7);
    calls.put("fusion", () -> ops.fusion().forward(s, x, y, w, gamma, heads, D, wide, rstd));
    calls.put(
        "fusion′",
        () -> ops.fusion().backward(s, x, y, w, gamma, heads, D, rstd, wide, to, to2, dw, dGamma));
    Tensor kernel = random(random, 1, C, 4);
    Tensor dKernel = zeros(C, 4);
    Tensor state = zeros(2, 3, C);
    calls.put("conv", () -> ops.conv().forward(2, N / 2, x, kernel, state, to));
    calls.put("conv′", () -> ops.conv().backward(2, N / 2, x, kernel, y, to, dKernel));
    calls.put("decay", () -> ops.decay().forward(x, y, w, w, 1f, to, to2));
    calls.put("decay′", () -> ops.decay().backward(x, y, w, w, 1f, x, y, to, to2, dw, dw2));
    HeadPrep.Shape prep = new HeadPrep.Shape(N, HEADS, D, 1e-6f, 1e-6f);
    HeadPrep.Tables tables = new HeadPrep.Tables(cos, cos, null);
    Tensor heads1 = zeros(N * HEADS);
    Tensor heads2 = zeros(N * HEADS);
    Tensor dHead = zeros(D);
    Tensor head = random(random, 1, D);
    calls.put("headPrep", () -> ops.headPrep().forward(prep, x, head, tables, to, heads1, heads2));
    calls.put(
        "headPrep′",
        () -> ops.headPrep().backward(prep, x, head, tables, to, heads1, heads2, y, to2, dHead));
    calls.put("add and rmsNorm", () -> ops.rmsNorm().addForward(x, y, w, 1e-6f, to, to2, rows));
    Tensor ids = OpsTesting.integers(random.ints(N, 0, C).toArray());
    Tensor weights = random(random, 1, N);
    Tensor scale = random(random, 1, 1);
    Tensor sum = Tensor.allocate(java.lang.foreign.Arena.ofAuto(), DType.F64, 1);
    calls.put("cross-entropy", () -> ops.loss().crossEntropy(x, ids, weights, scale, to, sum));
    calls.put("KL", () -> ops.loss().kl(x, y, weights, scale, to, sum));
    Tensor table = random(random, 1, C, C);
    calls.put("embedding", () -> ops.embedding().forward(ids, table, to));
    calls.put("embedding′", () -> ops.embedding().backward(ids, x, table));
    Tensor v = zeros(N, C);
    Optim.Rule rule = new Optim.Rule(0.9f, 0.95f, 1e-8f, 0.1f, 1);
    Tensor rates = Tensor.of(new float[] {1e-3f, 1e-3f, 1f}, 3);
    Tensor squares = Tensor.allocate(java.lang.foreign.Arena.ofAuto(), DType.F64, 1);
    calls.put("adamW", () -> ops.optim().adamW(rule, to, x, to2, v, null, rates, squares));
    calls.put("addSquares", () -> ops.optim().addSquares(x, sum));
    calls.put("sum", () -> ops.optim().sum(x, y, to));
    calls.put("axpy", () -> ops.optim().axpy(0.5f, x, to));
    return calls;
  }
}
