package io.hydrahead.server.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.model.Sampler;
import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.plan.Conversion;
import io.hydrahead.plan.ConvertRecipe;
import io.hydrahead.serve.BatchOptions;
import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(value = 120, unit = TimeUnit.SECONDS)
class SchedulerTest {
  /** Which scheduler is tested. */
  private enum Kind {
    BATCH {
      @Override
      Scheduler of(int context, int waiting) {
        return new BatchScheduler(
            model, BatchOptions.of(model, 4, context).withPiece(64, 64), waiting);
      }
    },
    ONE_AT_A_TIME {
      @Override
      Scheduler of(int context, int waiting) {
        return new BatchScheduler(model, BatchOptions.of(model, 1, context), waiting);
      }
    };

    abstract Scheduler of(int context, int waiting);
  }

  private static Ops ops;
  private static HybridTransformer model;

  @BeforeAll
  static void load() {
    ops = OpsFactory.cpu(new OpsOptions(1, "java", true));
    model =
        HybridTransformer.load(
            Path.of(System.getProperty("hydrahead.home"), "models/tiny-teacher"),
            ops,
            ModelFiles.LoadOptions.FLOAT32);
  }

  @AfterAll
  static void free() {
    model.close();
    ops.close();
  }

  /** Notes everything; can be made to wait at its first token. */
  private static class Notes implements GenerationListener {
    private final List<Integer> prompt = new ArrayList<>();
    private final List<Integer> tokens = new ArrayList<>();
    private final List<Float> logprobs = new ArrayList<>();
    private final CountDownLatch over = new CountDownLatch(1);
    private final CountDownLatch begun = new CountDownLatch(1);
    private final CountDownLatch mayGo;
    private volatile Finish finish;
    private Usage usage;
    private RuntimeException failure;
    private volatile int cached = -1;

    Notes() {
      this(new CountDownLatch(0));
    }

    Notes(CountDownLatch mayGo) {
      this.mayGo = mayGo;
    }

    @Override
    public void started(int cachedTokens) {
      cached = cachedTokens;
    }

    @Override
    public void prompt(int id, Optional<TokenLogprobs> l) {
      prompt.add(id);
      logprobs.add(l.map(TokenLogprobs::logprob).orElse(Float.NaN));
    }

    @Override
    public void token(int id, Optional<TokenLogprobs> l) {
      tokens.add(id);
      begun.countDown();
      try {
        mayGo.await();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }

    @Override
    public void finished(Finish how, Usage took) {
      finish = how;
      usage = took;
      over.countDown();
    }

    @Override
    public void failed(RuntimeException why) {
      failure = why;
      over.countDown();
    }

    Notes await() throws InterruptedException {
      assertThat(over.await(60, TimeUnit.SECONDS)).isTrue();
      return this;
    }
  }

  private static Notes run(Scheduler s, GenerationRequest r) throws InterruptedException {
    Notes n = new Notes();
    s.submit(r, n);
    return n.await();
  }

  private static int[] ids(Random random, int n) {
    return random.ints(n, 5, model.config().vocabSize()).toArray();
  }

  /** Prefixes that requests share, in any order, change no token. */
  @ParameterizedTest
  @EnumSource(Kind.class)
  void cachedEqualsCold(Kind kind) throws InterruptedException {
    Random random = new Random(21);
    int[] base = ids(random, 120);
    try (Scheduler warm = kind.of(256, 10)) {
      int cachedTokens = 0;
      for (int i = 0; i < 40; i++) {
        int[] head = Arrays.copyOf(base, 1 + random.nextInt(base.length));
        int[] tail = ids(random, random.nextInt(20));
        int[] prompt = Arrays.copyOf(head, head.length + tail.length);
        System.arraycopy(tail, 0, prompt, head.length, tail.length);
        GenerationRequest r =
            GenerationRequest.of(prompt, 1 + random.nextInt(5))
                .sampling(new Sampler.Settings(1, 0, 1, 0, i))
                .logprobs(0, random.nextInt(8) == 0);
        Notes got = run(warm, r);
        Notes again = run(warm, r);
        try (SequenceRunner cold = new SequenceRunner(model, 256)) {
          Notes want = new Notes();
          cold.run(r, want, () -> false);
          assertThat(got.tokens).isEqualTo(want.tokens);
          assertThat(again.tokens).isEqualTo(want.tokens);
          assertThat(got.logprobs).isEqualTo(want.logprobs);
        }
        cachedTokens += got.cached;
        assertThat(got.usage.cachedTokens())
            .isEqualTo(got.cached)
            .isLessThanOrEqualTo(prompt.length);
      }
      assertThat(cachedTokens).isPositive();
    }
  }

  private static HybridTransformer hybrid() {
    boolean[][] full = new boolean[4][8];
    for (int l = 0; l < full.length; l++) {
      full[l][l] = true;
    }
    double[][] rms = new double[4][8];
    Arrays.stream(rms).forEach(r -> Arrays.fill(r, 1));
    return Conversion.convert(model, HeadPlan.of(full), ConvertRecipe.DEFAULT, rms);
  }

  /** Whoever else is there, and whatever prompts have in common: the same tokens as alone. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void manyAtOnceAreAsEachAlone(boolean linear) throws InterruptedException {
    HybridTransformer m = linear ? hybrid() : model;
    Random random = new Random(33);
    int[] base = ids(random, 200);
    List<GenerationRequest> requests = new ArrayList<>();
    for (int i = 0; i < 30; i++) {
      int[] prompt = Arrays.copyOf(base, 1 + random.nextInt(base.length));
      if (random.nextBoolean()) {
        prompt[prompt.length - 1] = 5 + random.nextInt(900);
      }
      for (int twin = random.nextInt(3); twin >= 0; twin--) {
        requests.add(
            GenerationRequest.of(prompt, random.nextInt(25))
                .sampling(new Sampler.Settings(twin, 0, 1, 0, random.nextInt()))
                .logprobs(random.nextInt(3) - 1, random.nextInt(6) == 0));
      }
    }
    List<Notes> got = new ArrayList<>();
    try (Scheduler s = new BatchScheduler(m, BatchOptions.of(m, 5, 256).withPiece(64, 128), 1000)) {
      for (GenerationRequest r : requests) {
        Notes n = new Notes();
        got.add(n);
        s.submit(r, n);
      }
      int shared = 0;
      for (Notes n : got) {
        shared += n.await().cached;
        assertThat(n.failure).isNull();
      }
      assertThat(shared).isPositive();
      for (int i = 0; i < 500 && s.status().running() > 0; i++) {
        Thread.sleep(10); // the last one is told before it is counted
      }
      assertThat(s.status().running() + s.status().waiting()).isZero();
    }
    for (int i = 0; i < requests.size(); i++) {
      try (SequenceRunner alone = new SequenceRunner(m, 256)) {
        Notes want = new Notes();
        alone.run(requests.get(i), want, () -> false);
        assertThat(got.get(i).tokens).as("request %s", i).isEqualTo(want.tokens);
        assertThat(got.get(i).prompt).isEqualTo(want.prompt);
        for (int k = 0; k < want.logprobs.size(); k++) {
          assertThat(got.get(i).logprobs.get(k)).isCloseTo(want.logprobs.get(k), within(1e-4f));
        }
      }
    }
    if (linear) {
      m.close();
    }
  }

  @Test
  void aShortPromptOvertakesALongOne() throws InterruptedException {
    BatchOptions options = BatchOptions.of(model, 4, 8192).withPiece(64, 4096);
    try (Scheduler s = new BatchScheduler(model, options, 10)) {
      Notes far = new Notes();
      s.submit(GenerationRequest.of(ids(new Random(1), 6000), 2), far);
      while (far.cached < 0) {
        Thread.sleep(1);
      }
      Notes near = run(s, GenerationRequest.of(ids(new Random(2), 40), 10));
      assertThat(near.tokens).hasSize(10);
      assertThat(far.finish).isNull();
      assertThat(far.tokens).isEmpty();
      assertThat(far.await().tokens).hasSize(2);
    }
  }

  /** A session that grows while it replies says the same as one with room from the start. */
  @Test
  void growingChangesNothing() throws InterruptedException {
    int[] prompt = ids(new Random(2), 30);
    GenerationRequest r = GenerationRequest.of(prompt, 150).logprobs(0, false);
    Notes want = new Notes();
    Notes got = new Notes();
    try (SequenceRunner ample = new SequenceRunner(model, 256);
        SequenceRunner tight = new SequenceRunner(model, 256, 8, 3)) {
      ample.run(r, want, () -> false);
      long before = tight.caches().kvBytes();
      tight.run(r, got, () -> false);
      assertThat(before).isZero();
      assertThat(tight.caches().kvBytes()).isLessThanOrEqualTo(ample.caches().kvBytes());
      assertThat(got.failure).isNull();
      assertThat(got.tokens).hasSize(150).isEqualTo(want.tokens);
      Notes again = new Notes();
      tight.run(r, again, () -> false);
      assertThat(again.tokens).isEqualTo(want.tokens);
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void endTokensAndLimits(Kind kind) throws InterruptedException {
    try (Scheduler s = kind.of(256, 10)) {
      int[] prompt = {7, 8, 9};
      Notes all = run(s, GenerationRequest.of(prompt, 6));
      assertThat(all.finish).isEqualTo(GenerationListener.Finish.LENGTH);
      assertThat(all.tokens).hasSize(6);
      int end = all.tokens.get(2);
      Notes ended = run(s, GenerationRequest.of(prompt, 6).endIds(Set.of(end)));
      assertThat(ended.finish).isEqualTo(GenerationListener.Finish.STOP);
      assertThat(ended.tokens).isEqualTo(all.tokens.subList(0, all.tokens.indexOf(end)));
      assertThat(ended.usage)
          .isEqualTo(new GenerationListener.Usage(3, ended.cached, ended.tokens.size()));
      Notes scored = run(s, GenerationRequest.of(prompt, 0).logprobs(0, true));
      assertThat(scored.prompt).containsExactly(7, 8, 9);
      assertThat(scored.tokens).isEmpty();
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void refusesBeforeAnyWork(Kind kind) {
    try (Scheduler s = kind.of(100, 10)) {
      Notes none = new Notes();
      assertThatThrownBy(() -> s.submit(GenerationRequest.of(new int[60], 41), none))
          .isInstanceOf(Scheduler.ContextException.class)
          .hasMessageContaining("at most 100 tokens");
      assertThatThrownBy(() -> s.submit(GenerationRequest.of(new int[] {1 << 30}, 1), none))
          .isInstanceOf(InputException.class);
      assertThatThrownBy(() -> s.submit(GenerationRequest.of(new int[] {-1}, 1), none))
          .isInstanceOf(InputException.class);
      assertThat(none.cached).isEqualTo(-1);
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void turnsAwayWhatWouldWaitTooLong(Kind kind) throws InterruptedException {
    try (Scheduler s = kind.of(256, 2)) {
      CountDownLatch go = new CountDownLatch(1);
      Notes first = new Notes(go);
      GenerationRequest r = GenerationRequest.of(new int[] {5, 6}, 3);
      s.submit(r, first);
      assertThat(first.begun.await(30, TimeUnit.SECONDS)).isTrue();
      // The others come while the worker is held up by the first.
      Notes second = new Notes();
      Notes third = new Notes();
      s.submit(r, second);
      s.submit(r, third);
      assertThatThrownBy(() -> s.submit(r, new Notes()))
          .isInstanceOf(Scheduler.OverloadedException.class);
      assertThat(s.status().waiting()).isEqualTo(2);
      assertThat(s.status().running()).isEqualTo(1);
      go.countDown();
      assertThat(first.await().tokens)
          .isEqualTo(second.await().tokens)
          .isEqualTo(third.await().tokens);
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void cancelling(Kind kind) throws InterruptedException {
    try (Scheduler s = kind.of(256, 10)) {
      CountDownLatch go = new CountDownLatch(1);
      Notes running = new Notes(go);
      Notes waiting = new Notes();
      Generation a = s.submit(GenerationRequest.of(new int[] {5, 6}, 200), running);
      Generation b = s.submit(GenerationRequest.of(new int[] {5, 6}, 200), waiting);
      assertThat(running.begun.await(30, TimeUnit.SECONDS)).isTrue();
      b.cancel();
      b.cancel();
      a.cancel();
      go.countDown();
      assertThat(waiting.await().finish).isEqualTo(GenerationListener.Finish.CANCELLED);
      assertThat(running.await().finish).isEqualTo(GenerationListener.Finish.CANCELLED);
      assertThat(running.tokens).hasSize(1);
      a.cancel();
      Notes next = run(s, GenerationRequest.of(new int[] {5, 6}, 4));
      assertThat(next.finish).isEqualTo(GenerationListener.Finish.LENGTH);
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aListenerThatFailsHarmsNobodyElse(Kind kind) throws InterruptedException {
    try (Scheduler s = kind.of(256, 10)) {
      Notes broken =
          new Notes() {
            @Override
            public void token(int id, Optional<TokenLogprobs> l) {
              throw new IllegalStateException("no");
            }
          };
      s.submit(GenerationRequest.of(new int[] {5}, 4), broken);
      assertThat(broken.await().failure).hasMessage("no");
      assertThat(run(s, GenerationRequest.of(new int[] {5}, 4)).tokens).hasSize(4);
      assertThat(s.status().alive()).isTrue();
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void drainingLetsEndWhatWasTaken(Kind kind) throws InterruptedException {
    Scheduler s = kind.of(256, 10);
    List<Notes> all = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      all.add(new Notes());
      s.submit(GenerationRequest.of(new int[] {5, 6}, 10), all.get(i));
    }
    s.drain(Duration.ofSeconds(60));
    for (Notes n : all) {
      assertThat(n.await().finish).isEqualTo(GenerationListener.Finish.LENGTH);
    }
    assertThatThrownBy(() -> s.submit(GenerationRequest.of(new int[] {5}, 1), new Notes()))
        .isInstanceOf(Scheduler.ClosedException.class);
    assertThat(s.status().alive()).isFalse();
    s.close();
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void drainingEndsWithItsPatience(Kind kind) throws InterruptedException {
    Scheduler s = kind.of(256, 10);
    Notes n = new Notes();
    Notes second = new Notes();
    s.submit(GenerationRequest.of(new int[] {5, 6}, 250), n);
    s.submit(GenerationRequest.of(new int[] {5, 6}, 250), second);
    s.drain(Duration.ZERO);
    assertThat(n.await().finish).isNotNull();
    assertThat(second.await().finish).isEqualTo(GenerationListener.Finish.CANCELLED);
  }
}
