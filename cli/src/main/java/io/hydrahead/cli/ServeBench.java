package io.hydrahead.cli;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.serve.BatchOptions;
import io.hydrahead.server.engine.BatchScheduler;
import io.hydrahead.server.engine.Generation;
import io.hydrahead.server.engine.GenerationListener;
import io.hydrahead.server.engine.GenerationRequest;
import io.hydrahead.server.engine.Scheduler;
import io.hydrahead.tensor.Progress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Times a model that is served: clients of which each asks again as soon as it has its reply, for
 * prompts of one length or of several, of which a share begin alike.
 */
final class ServeBench {
  /** How often a short prompt is asked for alone, and then beside a long one. */
  private static final int TURNS = 4;

  /** Between two looks at how far clients are. */
  private static final Duration LOOK = Duration.ofMillis(200);

  /** Requests of a turn at least. */
  private static final int LEAST = 2;

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
   * What is asked for.
   *
   * @param clients that ask at once
   * @param lengths tokens of prompts, each as often as the others
   * @param shared share of the prompts whose first half is that of one common text
   * @param reply tokens of a reply
   */
  record Load(int clients, int[] lengths, double shared, int reply) {
    int longest() {
      return Arrays.stream(lengths).max().orElseThrow();
    }
  }

  /** Milliseconds: the median, and the 95th percentile. */
  record Spread(double median, double slow) {
    static Spread of(Stream<Double> values) {
      double[] sorted = values.mapToDouble(v -> v).sorted().toArray();
      return sorted.length == 0
          ? new Spread(0, 0)
          : new Spread(
              sorted[sorted.length / 2],
              sorted[(int) Math.min(sorted.length - 1, sorted.length * 0.95)]);
    }
  }

  /**
   * What clients saw.
   *
   * @param requests answered
   * @param tokensPerSecond of all replies together
   * @param promptTokensPerSecond of all prompts together, read or known
   * @param hits share of requests of which a beginning was known
   * @param cached share of the prompts' tokens that were not read again
   * @param firstToken from asking to the first token
   * @param between two tokens of a reply
   * @param byLength {@code firstToken} of prompts of each length
   */
  record Figure(
      int requests,
      double tokensPerSecond,
      double promptTokensPerSecond,
      double hits,
      double cached,
      Spread firstToken,
      Spread between,
      SortedMap<Integer, Spread> byLength) {}

  /**
   * Lets clients ask.
   *
   * @param progress is told of the tokens of replies, and when the last that were asked for come
   * @throws io.hydrahead.tensor.InputException if not even one fits into memory
   * @throws java.util.concurrent.CancellationException if {@code progress} asks to stop
   */
  Figure measure(Load load, Progress progress) throws InterruptedException {
    BatchOptions options = BatchOptions.of(model, load.clients, load.longest() + load.reply);
    try (Scheduler scheduler = new BatchScheduler(model, options, load.clients)) {
      Client warm = new Client(scheduler, load, load.clients);
      for (int n : load.lengths) {
        warm.ask(n, false); // kernels and caches get warm
      }
      List<Client> all = new ArrayList<>();
      List<Thread> threads = new ArrayList<>();
      long start = System.nanoTime();
      long end = start + (long) (seconds * 1e9);
      for (int i = 0; i < load.clients; i++) {
        Client c = new Client(scheduler, load, i);
        all.add(c);
        threads.add(
            Thread.ofVirtual()
                .start(() -> c.askWhile(() -> System.nanoTime() < end && !progress.cancelled())));
      }
      for (Thread t : threads) {
        while (!t.join(LOOK)) {
          tell(progress, all, start, end);
          if (progress.cancelled()) {
            all.forEach(Client::cancel);
          }
        }
      }
      progress.throwIfCancelled();
      tell(progress, all, start, end);
      return figure(all, (System.nanoTime() - start) / 1e9);
    }
  }

  /** So many tokens of replies are there; those that were asked for and are not come as fast. */
  private static void tell(Progress progress, List<Client> clients, long start, long end) {
    long now = System.nanoTime();
    long done = clients.stream().mapToLong(c -> c.received).sum();
    long due = clients.stream().mapToLong(c -> c.due).sum();
    double left = Math.max((end - now) / 1e9, (due - done) * ((now - start) / 1e9) / done);
    boolean known = done > 0 && left > 0.5;
    progress.advance(done, known ? "about " + ProgressBar.duration(left) + " left" : "");
  }

  /**
   * What a short request waits for its first token.
   *
   * @param requests of short ones beside a long one
   * @param alone from asking to the first token
   * @param beside the same while a long prompt is read
   */
  record Fairness(int requests, Spread alone, Spread beside) {
    /** How many times as long it takes beside a long prompt, by medians. */
    double ratio() {
      return beside.median / alone.median;
    }
  }

  /**
   * Asks now and then with prompts of {@code prompt} tokens, by turns alone and while prompts of
   * {@code far} tokens are read: what else the machine does is then the same for both.
   *
   * @throws io.hydrahead.tensor.InputException if they do not fit into memory
   */
  Fairness fairness(int prompt, int far) throws InterruptedException {
    BatchOptions options = BatchOptions.of(model, 2, Math.max(prompt, far) + 1);
    try (Scheduler scheduler = new BatchScheduler(model, options, 2)) {
      Load near = new Load(1, new int[] {prompt}, 0, 1);
      new Client(scheduler, near, 0).ask(prompt, false); // kernels and caches get warm
      Client alone = new Client(scheduler, near, 1);
      Client beside = new Client(scheduler, near, 2);
      for (int turn = 0; turn < TURNS; turn++) {
        alone.askNowAndThen(0);
        Client reader = new Client(scheduler, new Load(1, new int[] {far}, 0, 1), 3 + turn);
        AtomicBoolean enough = new AtomicBoolean();
        Thread reading = Thread.ofVirtual().start(() -> reader.askWhile(() -> !enough.get()));
        reader.begun.await();
        beside.askNowAndThen(2 * alone.firsts().median);
        enough.set(true);
        reader.cancel();
        reading.join();
        reader.check();
      }
      alone.check();
      beside.check();
      return new Fairness(beside.answered.size(), alone.firsts(), beside.firsts());
    }
  }

  /** A request that was answered, with milliseconds to its first token. */
  private record Answered(int prompt, int cached, int reply, double first) {}

  private static Figure figure(List<Client> clients, double elapsed) {
    clients.forEach(Client::check);
    List<Answered> all = clients.stream().flatMap(c -> c.answered.stream()).toList();
    double prompts = all.stream().mapToLong(Answered::prompt).sum();
    SortedMap<Integer, Spread> byLength = new TreeMap<>();
    all.stream()
        .collect(Collectors.groupingBy(Answered::prompt))
        .forEach((n, some) -> byLength.put(n, Spread.of(some.stream().map(Answered::first))));
    return new Figure(
        all.size(),
        all.stream().mapToLong(Answered::reply).sum() / elapsed,
        prompts / elapsed,
        all.stream().filter(a -> a.cached > 0).count() / (double) all.size(),
        all.stream().mapToLong(Answered::cached).sum() / prompts,
        Spread.of(all.stream().map(Answered::first)),
        Spread.of(clients.stream().flatMap(c -> c.between.stream())),
        byLength);
  }

  /** One client; its notes are written by the scheduler's thread and read after the end. */
  private final class Client {
    /** Of the text with which prompts begin that have something in common. */
    private static final long COMMON_SEED = -1;

    private final Scheduler scheduler;
    private final Load load;
    private final SplittableRandom random;
    private final List<Double> between = new ArrayList<>();
    private final List<Answered> answered = new ArrayList<>();
    private final CountDownLatch begun = new CountDownLatch(1);
    private volatile Generation asked;

    /** Tokens of replies that have come, and that were asked for; each written by one thread. */
    private volatile long received;

    private volatile long due;
    private RuntimeException failure;

    Client(Scheduler scheduler, Load load, int number) {
      this.scheduler = scheduler;
      this.load = load;
      this.random = new SplittableRandom(number);
    }

    void check() {
      if (failure != null) {
        throw failure;
      }
    }

    /** Ends what it has asked for last. */
    void cancel() {
      Generation last = asked;
      if (last != null) {
        last.cancel();
      }
    }

    Spread firsts() {
      return Spread.of(answered.stream().map(Answered::first));
    }

    /** Asks at times that nothing else knows, up to {@code pause} milliseconds after a reply. */
    void askNowAndThen(double pause) throws InterruptedException {
      long end = System.nanoTime() + (long) (seconds / TURNS * 1e9);
      for (int i = 0; failure == null && (i < LEAST || System.nanoTime() < end); i++) {
        ask(load.longest(), false);
        Thread.sleep(Duration.ofNanos((long) (random.nextDouble() * pause * 1e6)));
      }
    }

    void askWhile(BooleanSupplier more) {
      try {
        do {
          int n = load.lengths[random.nextInt(load.lengths.length)];
          ask(n, random.nextDouble() < load.shared);
        } while (failure == null && more.getAsBoolean());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    private int[] prompt(int tokens, boolean shared) {
      int vocabulary = model.config().vocabSize();
      int[] ids = random.ints(tokens, 0, vocabulary).toArray();
      if (shared) {
        int[] common = new SplittableRandom(COMMON_SEED).ints(tokens / 2, 0, vocabulary).toArray();
        System.arraycopy(common, 0, ids, 0, common.length);
      }
      return ids;
    }

    void ask(int tokens, boolean shared) throws InterruptedException {
      int[] ids = prompt(tokens, shared);
      due += load.reply;
      CountDownLatch over = new CountDownLatch(1);
      long start = System.nanoTime();
      asked =
          scheduler.submit(
              GenerationRequest.of(ids, load.reply),
              new GenerationListener() {
                private int cached;
                private long last = start;
                private double first;

                @Override
                public void started(int cachedTokens) {
                  cached = cachedTokens;
                  begun.countDown();
                }

                @Override
                public void prompt(int id, Optional<TokenLogprobs> logprobs) {}

                @Override
                public void token(int id, Optional<TokenLogprobs> logprobs) {
                  long now = System.nanoTime();
                  double millis = (now - last) / 1e6;
                  if (last == start) {
                    first = millis;
                  } else {
                    between.add(millis);
                  }
                  last = now;
                  received++;
                }

                @Override
                public void finished(Finish finish, Usage usage) {
                  answered.add(new Answered(tokens, cached, usage.replyTokens(), first));
                  over.countDown();
                }

                @Override
                public void failed(RuntimeException why) {
                  failure = why;
                  begun.countDown();
                  over.countDown();
                }
              });
      over.await();
    }
  }
}
