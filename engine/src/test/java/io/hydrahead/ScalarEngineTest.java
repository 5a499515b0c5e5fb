package io.hydrahead;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.hydrahead.model.GoldenCheck;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.Session;
import io.hydrahead.model.Style;
import io.hydrahead.model.TestModels;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.Simd;
import io.hydrahead.tensor.Tensor;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The engine with and without the Vector API: this class runs on a JVM of either kind. */
@Tag("scalar")
class ScalarEngineTest {
  private static boolean moduleIsThere() {
    return ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
  }

  @Test
  void simdIsUsedWhereTheModuleIs() {
    assertThat(Simd.available()).isEqualTo(moduleIsThere());
    assertThat(Simd.floatLanes() > 1).isEqualTo(moduleIsThere());
  }

  @Test
  void withoutTheModuleOneLineNamesTheFlag() throws Exception {
    assumeTrue(!moduleIsThere(), "the Vector API is here; the execution 'scalar' runs without");
    List<String> lines = new ArrayList<>();
    Handler collect =
        new Handler() {
          @Override
          public void publish(LogRecord r) {
            lines.add(r.getMessage());
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    Logger logger = Logger.getLogger(Simd.class.getName());
    logger.addHandler(collect);
    // A class of the same name, initialised anew.
    URL classes = Simd.class.getProtectionDomain().getCodeSource().getLocation();
    try (URLClassLoader fresh =
        new URLClassLoader(new URL[] {classes}, ClassLoader.getPlatformClassLoader())) {
      Object available = fresh.loadClass(Simd.class.getName()).getMethod("available").invoke(null);
      assertThat(available).isEqualTo(false);
    } finally {
      logger.removeHandler(collect);
    }
    assertThat(lines).singleElement().asString().contains("--add-modules jdk.incubator.vector");
  }

  @Test
  void aHybridAnswersAsItsReference() {
    int[] ids = new int[70];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = (i * 31 + 7) % TestModels.config().vocabSize();
    }
    try (Ops fast = OpsFactory.cpu(new OpsOptions(2, "java", false));
        Ops reference = OpsFactory.reference(1)) {
      assertThat(GoldenCheck.relativeL2(logits(fast, ids), logits(reference, ids)))
          .isLessThan(1e-4);
    }
  }

  private static Tensor logits(Ops ops, int[] ids) {
    try (HybridTransformer model =
            TestModels.random(
                TestModels.config(), TestModels.headWise(), Style.HYDRAHEAD, ops, 11);
        Session session = model.newSession(ids.length + 1)) {
      session.prefill(ids);
      float[] last = session.decode(3).toFloats();
      return Tensor.of(last, last.length);
    }
  }
}
