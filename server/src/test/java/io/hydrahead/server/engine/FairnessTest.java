package io.hydrahead.server.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.serve.BatchEngine;
import io.hydrahead.serve.BatchOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What a long prompt costs others, and they it: in tokens that are computed, not in time, so that
 * nothing depends on the machine.
 */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class FairnessTest {
  private static final int PIECE = 256;
  private static final int LONG = 6000;
  private static final Consumer<BatchEngine> NOBODY = engine -> {};

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

  /** A scheduler, the work it has done, and what happens when it could turn to another request. */
  private static final class Bench implements AutoCloseable {
    final BatchScheduler scheduler;
    volatile Consumer<BatchEngine> atTurns = NOBODY;
    volatile BatchEngine engine;

    Bench() {
      BatchOptions options = BatchOptions.of(model, 8, LONG + 100).withPiece(PIECE, 4096);
      scheduler =
          new BatchScheduler(
              model,
              options,
              100,
              Optional.empty(),
              e -> {
                engine = e;
                atTurns.accept(e);
              });
    }

    double work() {
      return engine == null ? 0 : engine.computedTokens();
    }

    Request ask(int prompt, int reply, long seed) {
      Request r = new Request(this);
      int[] ids = new Random(seed).ints(prompt, 5, 900).toArray();
      scheduler.submit(GenerationRequest.of(ids, reply), r);
      return r;
    }

    @Override
    public void close() {
      atTurns = NOBODY;
      scheduler.close();
    }
  }

  /** A request that notes how much work came before its first token. */
  private static final class Request implements GenerationListener {
    private final Bench bench;
    private final double asked;
    private final CountDownLatch over = new CountDownLatch(1);
    volatile double first = -1;
    volatile int tokens;

    Request(Bench bench) {
      this.bench = bench;
      asked = bench.work();
    }

    @Override
    public void started(int cachedTokens) {}

    @Override
    public void prompt(int id, Optional<TokenLogprobs> logprobs) {}

    @Override
    public void token(int id, Optional<TokenLogprobs> logprobs) {
      if (tokens++ == 0) {
        first = bench.work() - asked;
      }
    }

    @Override
    public void finished(Finish finish, Usage usage) {
      over.countDown();
    }

    @Override
    public void failed(RuntimeException why) {
      over.countDown();
    }

    Request await() throws InterruptedException {
      assertThat(over.await(100, TimeUnit.SECONDS)).isTrue();
      assertThat(tokens).isPositive();
      return this;
    }
  }

  /**
   * A request that comes anywhere in the reading of a long prompt has its first token after at most
   * twice the work that it takes alone. The most that passes between two turns, a half of a layer,
   * counts as waited for, too: requests of this test come at turns, others in between.
   */
  @ParameterizedTest
  @CsvSource({"40,0", "64,0", "100,3", "256,0", "257,3", "700,0"})
  void aShortRequestWaitsTwiceAsLongAtMost(int prompt, int replies) throws InterruptedException {
    double alone = alone(prompt, replies);
    assertThat(alone).isGreaterThanOrEqualTo(prompt);
    try (Bench bench = new Bench()) {
      List<Request> replying = new ArrayList<>();
      for (int i = 0; i < replies; i++) {
        replying.add(bench.ask(30, 2000, -1 - i));
      }
      List<Request> shorts = new ArrayList<>();
      Request far = bench.ask(LONG, 1, 1);
      int[] turn = {0};
      double[] calmSince = {Double.MAX_VALUE};
      double[] longest = {0};
      bench.atTurns =
          e -> {
            Request last = shorts.isEmpty() ? null : shorts.getLast();
            boolean calm = last == null || last.over.getCount() == 0;
            longest[0] = Math.max(longest[0], e.computedTokens() - calmSince[0]);
            calmSince[0] = calm ? e.computedTokens() : Double.MAX_VALUE;
            // Seventeen has no divisor in common with the turns of a step.
            if (calm && far.tokens == 0 && ++turn[0] % 17 == 0) {
              shorts.add(bench.ask(prompt, 1, 100 + turn[0]));
              calmSince[0] = Double.MAX_VALUE;
            }
          };
      far.await();
      for (Request r : shorts) {
        assertThat(r.await().first + longest[0]).isLessThanOrEqualTo(2 * alone);
      }
      assertThat(shorts).hasSizeGreaterThan(4);
      assertThat(longest[0]).isPositive();
    }
  }

  /** Work to the first token of a request beside replies only. */
  private static double alone(int prompt, int replies) throws InterruptedException {
    try (Bench bench = new Bench()) {
      bench.ask(30, 1, 3).await();
      for (int i = 0; i < replies; i++) {
        bench.ask(30, 2000, -1 - i);
      }
      return bench.ask(prompt, 1, 2).await().first;
    }
  }

  /** However many short requests come, the long one gets a fifth of the work. */
  @Test
  void aLongRequestIsNotForgotten() throws InterruptedException {
    try (Bench bench = new Bench()) {
      List<Request> shorts = new ArrayList<>();
      Request far = bench.ask(3000, 1, 1);
      bench.atTurns =
          e -> {
            while (far.tokens == 0
                && shorts.stream().filter(s -> s.over.getCount() > 0).count() < 5) {
              shorts.add(bench.ask(200, 1, 100 + shorts.size()));
            }
          };
      far.await();
      assertThat(shorts).hasSizeGreaterThan(20);
      assertThat(far.first).isBetween(2 * 3000.0, 5.5 * 3000.0);
    }
  }
}
