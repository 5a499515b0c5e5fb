package io.hydrahead.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.model.CachePool;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.Style;
import io.hydrahead.model.TestModels;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Prefixes that outlive their engine. */
class PrefixFileTest {
  @TempDir private Path folder;

  private static Ops ops(int threads) {
    return OpsFactory.cpu(new OpsOptions(threads, "java", true));
  }

  private static void read(BatchEngine engine, int[] prompt) {
    try (BatchSequence s = engine.open(prompt, 0, true).orElseThrow()) {
      while (s.reading()) {
        engine.step(List.of(), s);
      }
    }
  }

  /** Text i of several that share 200 tokens. */
  private static int[] text(int i) {
    int[] t = TestModels.ids(330, 97, i);
    System.arraycopy(TestModels.ids(200, 97, 99), 0, t, 0, 200);
    return t;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.hydrahead.serve.BatchModels#all")
  void whatWasSavedIsAsGoodAsRead(String name, HeadPlan plan, Style style) {
    Path file = folder.resolve("a/prefixes");
    try (Ops ops = ops(2);
        HybridTransformer m = TestModels.gentle(plan, style, ops, 7)) {
      BatchOptions options = BatchModels.options(m, 3, 400);
      try (BatchEngine engine = new BatchEngine(m, options)) {
        for (int i = 0; i < 3; i++) {
          read(engine, text(i));
        }
        assertThat(engine.hasNewPrefixes()).isTrue();
        engine.savePrefixes(file);
      }
      try (BatchEngine engine = new BatchEngine(m, options)) {
        assertThat(engine.restorePrefixes(file)).isEqualTo(9 * 64);
        assertThat(engine.hasNewPrefixes()).isFalse();
        engine.open(text(1), 0, true).orElseThrow().close();
        assertThat(engine.stats().restoredTokens()).isEqualTo(320);
      }
      try (BatchEngine engine = new BatchEngine(m, options)) {
        read(engine, text(2)); // known already: nothing is taken twice
        int[] prompt = Arrays.copyOf(text(1), 340);
        assertThat(engine.restorePrefixes(file)).isEqualTo(4 * 64);
        assertThat(engine.restorePrefixes(file)).isZero();
        try (BatchSequence s = engine.open(prompt, 0, true).orElseThrow()) {
          assertThat(s.cachedTokens()).isEqualTo(320);
          engine.step(List.of(), s);
          BatchModels.assertClose(s.logits(), BatchModels.cold(m, prompt), 0, "restored");
        }
        engine.forgetPrefixes();
        assertThat(engine.stats().kvBytes() + engine.stats().stateBytes()).isZero();
      }
      // Where there is little room, the most recent comes first.
      BatchOptions small = options.withPools(new CachePool.Size(7, 12));
      try (BatchEngine engine = new BatchEngine(m, small)) {
        assertThat(engine.restorePrefixes(file)).isEqualTo(7 * 64);
        assertThat(engine.open(text(2), 0, true).orElseThrow().cachedTokens()).isEqualTo(320);
      }
    }
  }

  @Test
  void refusesWhatDoesNotFit() throws IOException {
    Path file = folder.resolve("prefixes");
    try (Ops ops = ops(2);
        HybridTransformer m = TestModels.gentle(TestModels.headWise(), Style.HYDRAHEAD, ops, 7);
        HybridTransformer other =
            TestModels.gentle(TestModels.headWise(), Style.HYDRAHEAD, ops, 8);
        BatchEngine engine = new BatchEngine(m, BatchModels.options(m, 2, 400))) {
      read(engine, text(0));
      engine.savePrefixes(file);
      byte[] good = Files.readAllBytes(file);
      try (BatchEngine wrong = new BatchEngine(other, BatchModels.options(m, 2, 400))) {
        assertThatThrownBy(() -> wrong.restorePrefixes(file))
            .isInstanceOf(InputException.class)
            .hasMessageContaining("another model");
      }
      try (Ops three = ops(3);
          HybridTransformer same =
              TestModels.gentle(TestModels.headWise(), Style.HYDRAHEAD, three, 7);
          BatchEngine wrong = new BatchEngine(same, BatchModels.options(same, 2, 400))) {
        assertThatThrownBy(() -> wrong.restorePrefixes(file))
            .isInstanceOf(InputException.class)
            .hasMessageContaining("3 threads");
      }
      for (int at : new int[] {0, 11, 20, 300, good.length / 2, good.length - 1}) {
        byte[] bad = good.clone();
        bad[at] ^= 4;
        refused(engine, bad);
      }
      for (int length : new int[] {0, 9, 200, good.length / 2, good.length - 1}) {
        refused(engine, Arrays.copyOf(good, length));
      }
      assertThatThrownBy(() -> engine.restorePrefixes(folder))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("is no file");
      assertThatThrownBy(() -> engine.restorePrefixes(folder.resolve("none")))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("none");
      engine.forgetPrefixes();
      assertThat(engine.restorePrefixes(file)).isEqualTo(320);
      int[] prompt = text(0);
      try (BatchSequence s = engine.open(prompt, 0, true).orElseThrow()) {
        assertThat(s.cachedTokens()).isEqualTo(320);
        engine.step(List.of(), s);
        BatchModels.assertClose(s.logits(), BatchModels.cold(m, prompt), 0, "restored");
      }
    }
  }

  /** Of what does not fit into the file, the most recent is saved, and is of use. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.hydrahead.serve.BatchModels#all")
  void aBoundLeavesOutWhatWasUsedLeast(String name, HeadPlan plan, Style style) throws IOException {
    Path file = folder.resolve("prefixes");
    try (Ops ops = ops(2);
        HybridTransformer m = TestModels.gentle(plan, style, ops, 7);
        BatchEngine engine = new BatchEngine(m, BatchModels.options(m, 3, 400))) {
      read(engine, text(0));
      read(engine, text(1));
      engine.savePrefixes(file);
      long all = Files.size(file);
      for (long most = all; most > 0; most -= all / 12) {
        int tokens = engine.savePrefixes(file, most, Progress.SILENT);
        assertThat(Files.size(file)).isLessThan(most + 500);
        try (BatchEngine next = new BatchEngine(m, BatchModels.options(m, 3, 400))) {
          assertThat(next.restorePrefixes(file)).isEqualTo(tokens);
          int[] prompt = text(1);
          try (BatchSequence s = next.open(prompt, 0, true).orElseThrow()) {
            int useful = Math.min(320, tokens);
            if (CachePool.recurrent(m) && useful < 320) {
              useful = useful < 192 ? 0 : useful < 256 ? 192 : 256; // where there are states
            }
            assertThat(s.cachedTokens()).isEqualTo(useful);
          }
        }
      }
      assertThat(engine.savePrefixes(file, 1, Progress.SILENT)).isZero();
    }
  }

  @Test
  void aWishToStopEndsRestoring() {
    Path file = folder.resolve("prefixes");
    try (Ops ops = ops(2);
        HybridTransformer m = TestModels.gentle(TestModels.headWise(), Style.HYDRAHEAD, ops, 7);
        BatchEngine engine = new BatchEngine(m, BatchModels.options(m, 2, 400))) {
      read(engine, text(0));
      List<String> heard = new ArrayList<>();
      Progress impatient =
          new Progress() {
            @Override
            public void begin(String what, long total, String unit) {
              heard.add(what + " " + total + " " + unit);
            }

            @Override
            public void advance(long done, String note) {}

            @Override
            public void end() {
              heard.add("end");
            }

            @Override
            public boolean cancelled() {
              return true;
            }
          };
      assertThat(engine.savePrefixes(file, Long.MAX_VALUE, impatient)).isEqualTo(320);
      assertThatThrownBy(() -> engine.restorePrefixes(file, impatient))
          .isInstanceOf(CancellationException.class);
      assertThat(heard)
          .containsExactly(
              "saving prefixes 320 tokens", "end", "restoring prefixes 320 tokens", "end");
    }
  }

  private void refused(BatchEngine engine, byte[] bad) throws IOException {
    Path file = folder.resolve("bad");
    Files.write(file, bad);
    engine.forgetPrefixes();
    assertThatThrownBy(() -> engine.restorePrefixes(file))
        .isInstanceOf(InputException.class)
        .hasMessageContaining(file.toString());
  }
}
