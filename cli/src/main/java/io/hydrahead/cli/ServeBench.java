package io.hydrahead.cli;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.serve.BatchEngine;
import io.hydrahead.server.engine.BatchScheduler;
import io.hydrahead.server.engine.GenerationListener;
import io.hydrahead.server.engine.GenerationRequest;
import io.hydrahead.server.engine.Scheduler;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;

/**
 * Times a model that is served: clients of which each asks again as soon as it has its reply. Their
 * prompts have nothing in common, so that all of each is read.
 */
final class ServeBench {
  private final HybridTransformer model;
  private final double seconds;

  /**
   * @param seconds how long clients go on asking
   */
  ServeBench(HybridTransformer model, double seconds) {
    this.model = model;
    this.seconds = seconds;
  }

  /**
   * What clients saw.
   *
   * @param requests answered
   * @param tokensPerSecond of all replies together
   * @param promptTokensPerSecond of all prompts together
   * @param firstToken milliseconds from asking to the first token: median, and that of the slowest
   *     20th
   * @param between milliseconds between two tokens of a reply: the same
   */
  record Figure(
      int requests,
      double tokensPerSecond,
      double promptTokensPerSecond,
      double[] firstToken,
      double[] between) {}

  /**
   * Lets {@code clients} ask with prompts of {@code prompt} tokens for {@code reply} tokens.
   *
   * @throws io.hydrahead.tensor.InputException if not even one fits into memory
   */
  Figure measure(int clients, int prompt, int reply) throws InterruptedException {
    BatchEngine.Options options = BatchEngine.Options.of(model, clients, prompt + reply);
    try (Scheduler scheduler = new BatchScheduler(model, options, clients)) {
      new Client(scheduler, prompt, reply, clients).ask(); // kernels and caches get warm
      List<Client> all = new ArrayList<>();
      List<Thread> threads = new ArrayList<>();
      long start = System.nanoTime();
      long end = start + (long) (seconds * 1e9);
      for (int i = 0; i < clients; i++) {
        Client c = new Client(scheduler, prompt, reply, i);
        all.add(c);
        threads.add(Thread.ofVirtual().start(() -> c.askUntil(end)));
      }
      for (Thread t : threads) {
        t.join();
      }
      return figure(all, prompt, (System.nanoTime() - start) / 1e9);
    }
  }

  private static Figure figure(List<Client> clients, int prompt, double elapsed) {
    for (Client c : clients) {
      if (c.failure != null) {
        throw c.failure;
      }
    }
    int requests = clients.stream().mapToInt(c -> c.requests).sum();
    long tokens = clients.stream().mapToLong(c -> c.tokens).sum();
    return new Figure(
        requests,
        tokens / elapsed,
        (double) requests * prompt / elapsed,
        spread(clients.stream().flatMap(c -> c.first.stream()).toList()),
        spread(clients.stream().flatMap(c -> c.between.stream()).toList()));
  }

  /** Median and 95th percentile. */
  private static double[] spread(List<Double> values) {
    double[] sorted = values.stream().mapToDouble(v -> v).sorted().toArray();
    return sorted.length == 0
        ? new double[] {0, 0}
        : new double[] {
          sorted[sorted.length / 2], sorted[(int) Math.min(sorted.length - 1, sorted.length * 0.95)]
        };
  }

  /** One client; its notes are written by the scheduler's thread and read after the end. */
  private final class Client {
    private final Scheduler scheduler;
    private final int prompt;
    private final int reply;
    private final SplittableRandom random;
    private final List<Double> first = new ArrayList<>();
    private final List<Double> between = new ArrayList<>();
    private int requests;
    private long tokens;
    private RuntimeException failure;

    Client(Scheduler scheduler, int prompt, int reply, int number) {
      this.scheduler = scheduler;
      this.prompt = prompt;
      this.reply = reply;
      this.random = new SplittableRandom(number);
    }

    void askUntil(long end) {
      try {
        do {
          ask();
        } while (failure == null && System.nanoTime() < end);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    void ask() throws InterruptedException {
      int[] ids = random.ints(prompt, 0, model.config().vocabSize()).toArray();
      CountDownLatch over = new CountDownLatch(1);
      long[] last = {System.nanoTime(), 0};
      scheduler.submit(
          GenerationRequest.of(ids, reply),
          new GenerationListener() {
            @Override
            public void started(int cachedTokens) {}

            @Override
            public void prompt(int id, Optional<TokenLogprobs> logprobs) {}

            @Override
            public void token(int id, Optional<TokenLogprobs> logprobs) {
              long now = System.nanoTime();
              (last[1]++ == 0 ? first : between).add((now - last[0]) / 1e6);
              last[0] = now;
              tokens++;
            }

            @Override
            public void finished(Finish finish, Usage usage) {
              requests++;
              over.countDown();
            }

            @Override
            public void failed(RuntimeException why) {
              failure = why;
              over.countDown();
            }
          });
      over.await();
    }
  }
}
