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
import io.hydrahead.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Several texts at once against one after the other, on the CPU. */
class BatchEngineTest {
  /** Of each of five models: 500 patterns in all. */
  private static final int ROUNDS = 2;

  private static final int PATTERNS = 50;

  static Stream<Arguments> models() {
    return BatchModels.all();
  }

  private static Ops ops(boolean deterministic) {
    return OpsFactory.cpu(new OpsOptions(2, "java", deterministic));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void anyInterleavingGivesTheLogitsOfSingleTexts(String name, HeadPlan plan, Style style) {
    try (Ops ops = ops(false);
        HybridTransformer m = TestModels.gentle(plan, style, ops, 7)) {
      Interleaving.check(m, 3, 1e-4);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void andTheirBitsInDeterministicMode(String name, HeadPlan plan, Style style) {
    try (Ops ops = ops(true);
        HybridTransformer m = TestModels.gentle(plan, style, ops, 7)) {
      Interleaving.check(m, 2, 0);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void whatIsReadOnceIsExact(String name, HeadPlan plan, Style style) {
    try (Ops ops = ops(false);
        HybridTransformer m = TestModels.gentle(plan, style, ops, 7)) {
      PrefixSharing.check(m, 11, 60, 1e-4);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void andBitwiseInDeterministicMode(String name, HeadPlan plan, Style style) {
    try (Ops ops = ops(true);
        HybridTransformer m = TestModels.gentle(plan, style, ops, 7)) {
      for (int round = 0; round < ROUNDS; round++) {
        PrefixSharing.check(m, round, PATTERNS, 0);
      }
    }
  }

  /** Wherever another text has parted from it: the same bits as without that one. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void everySplitOfAPromptIsBitwiseExact(String name, HeadPlan plan, Style style) {
    try (Ops ops = ops(true);
        HybridTransformer m = TestModels.gentle(plan, style, ops, 7);
        BatchEngine engine = new BatchEngine(m, BatchModels.options(m, 2, 310))) {
      int[] prompt = TestModels.ids(300, 97, 9);
      int[] text = Arrays.copyOf(prompt, 301);
      Tensor cold = BatchModels.cold(m, prompt);
      Tensor next = BatchModels.decoded(m, text, 300);
      boolean recurrent = CachePool.recurrent(m);
      for (int split = 1; split < 300; split++) {
        engine.forgetPrefixes();
        try (BatchSequence head =
            engine.open(Arrays.copyOf(prompt, split), 0, true).orElseThrow()) {
          assertThat(head.cachedTokens()).isZero();
          read(engine, head);
        }
        try (BatchSequence s = engine.open(prompt, 1, true).orElseThrow()) {
          // Whole blocks; with recurrent heads those with a snapshot: before the end, and every
          // 256.
          boolean before = recurrent && split % 256 != 0;
          int known = (before ? split - 1 : split) / CachePool.BLOCK * CachePool.BLOCK;
          assertThat(s.cachedTokens()).as("split %d", split).isEqualTo(known);
          read(engine, s);
          BatchModels.assertClose(s.logits(), cold, 0, "split " + split);
          s.next(text[300]);
          engine.step(List.of(s), null);
          BatchModels.assertClose(s.logits(), next, 0, "split " + split + ", reply");
        }
      }
    }
  }

  private static void read(BatchEngine engine, BatchSequence s) {
    while (s.reading()) {
      engine.step(List.of(), s);
    }
  }

  /** Texts that end anywhere leave nothing behind, whatever else goes on. */
  @Test
  void nothingLeaks() {
    try (Ops ops = ops(false);
        HybridTransformer m = TestModels.gentle(TestModels.headWise(), Style.HYDRAHEAD, ops, 7)) {
      Random random = new Random(5);
      BatchOptions options = BatchModels.options(m, 4, 400).withPools(new CachePool.Size(20, 7));
      try (BatchEngine engine = new BatchEngine(m, options)) {
        List<BatchSequence> open = new ArrayList<>();
        int opened = 0;
        for (int i = 0; i < 1000; i++) {
          if (random.nextInt(3) == 0) {
            int[] prompt = TestModels.ids(1 + random.nextInt(250), 97, random.nextInt(6));
            Optional<BatchSequence> s = engine.open(prompt, random.nextInt(100), true);
            opened += s.isPresent() ? 1 : 0;
            s.ifPresent(open::add);
          }
          if (!open.isEmpty() && random.nextInt(5) == 0) {
            open.remove(random.nextInt(open.size())).close();
          }
          BatchSequence reading =
              open.stream().filter(BatchSequence::reading).findFirst().orElse(null);
          List<BatchSequence> decoding = new ArrayList<>();
          for (BatchSequence s : open) {
            if (!s.reading() && s.position() < s.most && random.nextBoolean()) {
              s.next(random.nextInt(97));
              decoding.add(s);
            }
          }
          if (reading != null || !decoding.isEmpty()) {
            engine.step(decoding, reading);
          }
          if (!decoding.isEmpty() && random.nextInt(8) == 0) {
            BatchSequence one = decoding.getFirst();
            try {
              open.add(one.fork(random.nextInt(20)));
            } catch (IllegalStateException full) {
              assertThat(full).hasMessageContaining("room");
            }
          }
        }
        assertThat(opened).isGreaterThan(50);
        assertThat(engine.stats().evictedBlocks()).isPositive();
        assertThat(engine.stats().evictedSnapshots()).isPositive();
        assertThat(engine.stats().hits()).isPositive();
        open.forEach(BatchSequence::close);
        engine.forgetPrefixes();
        assertThat(engine.pool().freeBlocks()).isEqualTo(20);
        assertThat(engine.pool().freeSlots()).isEqualTo(7);
        // Reservations are gone, too.
        engine.open(TestModels.ids(1, 97, 1), 399, false).orElseThrow().close();
        try (BatchSequence a = engine.open(TestModels.ids(400, 97, 1), 0, false).orElseThrow();
            BatchSequence b = engine.open(TestModels.ids(400, 97, 1), 0, false).orElseThrow()) {
          assertThat(a.position() + b.position()).isZero();
        }
      }
    }
  }

  /** Windows of 2²⁰ positions take a gigabyte a text: on the host there are fewer texts then. */
  @Test
  void onTheHostStatesAreBounded() {
    Style style = Style.HYDRAHEAD.withWindow(1 << 20, 0);
    try (Ops ops = ops(false);
        HybridTransformer m = TestModels.gentle(TestModels.headWise(), style, ops, 7)) {
      BatchOptions o = BatchOptions.of(m, 32, 1 << 20);
      long all = o.pools().slots() * CachePool.slotBytes(m, 1 << 20);
      assertThat(all).isBetween(2L << 30, 4L << 30);
      assertThat(o.maxSequences()).isBetween(1, 31);
      // A text of 4,096 tokens has no more in its window than those.
      BatchOptions small = BatchOptions.of(m, 32, 4096);
      assertThat(small.maxSequences()).isEqualTo(32);
      assertThat(small.pools().slots()).isEqualTo(128);
    }
  }

  @Test
  void admitsWhatFits() {
    try (Ops ops = ops(false);
        HybridTransformer m = TestModels.gentle(TestModels.headWise(), Style.HYDRAHEAD, ops, 7)) {
      BatchOptions options = BatchModels.options(m, 3, 500).withPools(new CachePool.Size(6, 3));
      try (BatchEngine engine = new BatchEngine(m, options)) {
        assertThat(engine.largestContext()).isEqualTo(384);
        assertThatThrownBy(() -> engine.open(new int[300], 85, true))
            .isInstanceOf(InputException.class)
            .hasMessageContaining("384");
        assertThatThrownBy(() -> engine.open(new int[0], 3, true))
            .isInstanceOf(InputException.class);
        assertThatThrownBy(() -> engine.open(new int[] {97}, 3, true))
            .isInstanceOf(InputException.class)
            .hasMessageContaining("vocabulary");
        BatchSequence a = engine.open(new int[200], 56, true).orElseThrow();
        BatchSequence b = engine.open(new int[1], 127, true).orElseThrow();
        assertThat(engine.open(new int[1], 0, true)).isEmpty();
        assertThatThrownBy(() -> b.next(3)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(b::logits).isInstanceOf(IllegalStateException.class);
        engine.step(List.of(), b);
        assertThatThrownBy(() -> engine.step(List.of(b), null))
            .isInstanceOf(IllegalStateException.class);
        assertThat(b.best()).isBetween(0, 96);
        a.close();
        a.close();
        engine.open(new int[200], 56, true).orElseThrow().close();
        b.close();
      }
      assertThatThrownBy(() -> options.withPiece(100, 200)).isInstanceOf(InputException.class);
    }
  }

  /** Texts that were never read, for benchmarks, are texts like others. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void pretendedTextsGoOn(String name, HeadPlan plan, Style style) {
    try (Ops ops = ops(false);
        HybridTransformer m = TestModels.gentle(plan, style, ops, 7);
        BatchEngine engine = new BatchEngine(m, BatchModels.options(m, 3, 200))) {
      BatchSequence first = engine.open(new int[] {1, 2}, 5, true).orElseThrow();
      assertThatThrownBy(() -> engine.pretend(190, 10)).isInstanceOf(IllegalStateException.class);
      first.close();
      assertThatThrownBy(() -> engine.pretend(190, 11)).isInstanceOf(InputException.class);
      List<BatchSequence> texts = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        texts.add(engine.pretend(190, 10).orElseThrow());
      }
      assertThat(engine.pretend(190, 10)).isEmpty();
      for (int i = 0; i < 10; i++) {
        texts.forEach(t -> t.next(t.position() % 97));
        engine.step(texts, null);
        for (BatchSequence t : texts) {
          assertThat(t.position()).isEqualTo(191 + i);
          for (float x : t.logits().toFloats()) {
            assertThat(x).isFinite();
          }
        }
      }
      assertThat(engine.stats().tokens()).isEqualTo(3 * 256);
      texts.forEach(BatchSequence::close);
      assertThat(engine.stats().kvBytes() + engine.stats().stateBytes()).isZero();
      // A real text takes nothing from the noise.
      int[] prompt = TestModels.ids(100, 97, 4);
      try (BatchSequence real = engine.open(prompt, 10, true).orElseThrow()) {
        while (real.reading()) {
          engine.step(List.of(), real);
        }
        BatchModels.assertClose(real.logits(), BatchModels.cold(m, prompt), 1e-4, "after noise");
      }
    }
  }

  /** What a step that pauses has under way, nobody else may touch. */
  @Test
  void aPauseIsForOthers() {
    try (Ops ops = ops(false);
        HybridTransformer m = TestModels.gentle(TestModels.headWise(), Style.HYDRAHEAD, ops, 7);
        BatchEngine engine = new BatchEngine(m, BatchModels.options(m, 3, 300))) {
      BatchSequence reply = engine.open(new int[] {1, 2}, 9, true).orElseThrow();
      engine.step(List.of(), reply);
      reply.next(3);
      BatchSequence prompt = engine.open(new int[200], 9, true).orElseThrow();
      assertThatThrownBy(() -> engine.readInPause(prompt, null))
          .isInstanceOf(IllegalStateException.class);
      int[] pauses = {0};
      double before = engine.computedTokens();
      engine.step(
          List.of(reply),
          prompt,
          128,
          null,
          () -> {
            pauses[0]++;
            assertThat(engine.computedTokens() - before).isBetween(129 / 6.0, 129 * 5 / 6.0);
            for (BatchSequence s : List.of(reply, prompt)) {
              assertThatThrownBy(s::close).isInstanceOf(IllegalStateException.class);
              assertThatThrownBy(s::logits).isInstanceOf(IllegalStateException.class);
              assertThatThrownBy(() -> s.fork(1)).isInstanceOf(IllegalStateException.class);
              assertThatThrownBy(() -> engine.readInPause(s, null))
                  .isInstanceOf(IllegalStateException.class);
            }
            assertThatThrownBy(() -> engine.step(List.of(), prompt))
                .isInstanceOf(IllegalStateException.class);
          });
      assertThat(pauses[0]).isEqualTo(5); // between the halves of three layers
      assertThat(engine.computedTokens() - before).isEqualTo(129);
      assertThat(reply.best()).isBetween(0, 96);
      reply.close();
      prompt.close();
    }
  }

  /** The second turn of a conversation reads what is new, also where that begins in a reply. */
  @Test
  void theNextTurnReadsOnlyWhatIsNew() {
    try (Ops ops = ops(false);
        HybridTransformer m = TestModels.gentle(TestModels.headWise(), Style.HYDRAHEAD, ops, 7);
        BatchEngine engine = new BatchEngine(m, BatchModels.options(m, 2, 800))) {
      int[] prompt = TestModels.ids(200, 97, 4);
      int[] text = Arrays.copyOf(prompt, 420);
      try (BatchSequence first = engine.open(prompt, 200, true).orElseThrow()) {
        while (first.reading()) {
          engine.step(List.of(), first);
        }
        for (int i = 200; i < 400; i++) {
          text[i] = first.best();
          first.next(text[i]);
          engine.step(List.of(first), null);
        }
      }
      try (BatchSequence second = engine.open(text, 10, true).orElseThrow()) {
        assertThat(second.cachedTokens()).isEqualTo(384);
        engine.step(List.of(), second);
        assertThat(second.reading()).isFalse();
        BatchModels.assertClose(second.logits(), BatchModels.cold(m, text), 1e-4, "second turn");
      }
    }
  }

  @Test
  void copiesGoOnByThemselves() {
    try (Ops ops = ops(true);
        HybridTransformer m = TestModels.gentle(TestModels.headWise(), Style.HYDRAHEAD, ops, 7);
        BatchEngine engine = new BatchEngine(m, BatchModels.options(m, 4, 300))) {
      int[] prompt = TestModels.ids(90, 97, 4);
      BatchSequence a = engine.open(prompt, 50, true).orElseThrow();
      while (a.reading()) {
        engine.step(List.of(), a);
      }
      BatchSequence b = a.fork(50);
      for (int i = 0; i < 50; i++) {
        a.next(i);
        b.next(96 - i);
        engine.step(List.of(b, a), null);
      }
      int[] textA = Arrays.copyOf(prompt, 140);
      int[] textB = Arrays.copyOf(prompt, 140);
      for (int i = 0; i < 50; i++) {
        textA[90 + i] = i;
        textB[90 + i] = 96 - i;
      }
      BatchModels.assertClose(a.logits(), BatchModels.decoded(m, textA, 90), 0, "first");
      BatchModels.assertClose(b.logits(), BatchModels.decoded(m, textB, 90), 0, "copy");
    }
  }

  /** Log-probabilities of a prompt come piece by piece. */
  @Test
  void logitsOfAPromptAreThoseOfASession() {
    try (Ops ops = ops(true);
        HybridTransformer m = TestModels.gentle(TestModels.headWise(), Style.HYDRAHEAD, ops, 7);
        BatchEngine engine = new BatchEngine(m, BatchModels.options(m, 4, 300))) {
      int[] prompt = TestModels.ids(200, 97, 4);
      float[] want = new float[200 * 97];
      try (var session = m.newSession(200)) {
        session.prefill(
            prompt,
            (from, t) -> System.arraycopy(t.toFloats(), 0, want, from * 97, (int) t.size()));
      }
      float[] got = new float[200 * 97];
      BatchSequence other = engine.open(new int[] {1, 2, 3}, 50, false).orElseThrow();
      engine.step(List.of(), other);
      BatchSequence s = engine.open(prompt, 0, false).orElseThrow();
      while (s.reading()) {
        int at = s.position();
        other.next(5);
        engine.step(
            List.of(other),
            s,
            128,
            (from, t) -> System.arraycopy(t.toFloats(), 0, got, (at + from) * 97, (int) t.size()),
            null);
      }
      assertThat(got).containsExactly(want);
      assertThat(s.logits().toFloats())
          .containsExactly(Arrays.copyOfRange(want, 199 * 97, 200 * 97));
    }
  }
}
