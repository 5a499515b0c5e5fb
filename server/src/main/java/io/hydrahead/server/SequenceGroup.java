package io.hydrahead.server;

import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.server.api.ApiException;
import io.hydrahead.server.engine.Generation;
import io.hydrahead.server.engine.GenerationListener;
import io.hydrahead.server.engine.GenerationRequest;
import io.hydrahead.server.engine.Scheduler;
import io.hydrahead.server.engine.Scheduler.ClosedException;
import io.hydrahead.server.engine.Scheduler.OverloadedException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * The sequences of one HTTP request. The scheduler's thread only queues what happens; the request's
 * own thread looks at it, so that a slow client holds up nobody else.
 */
final class SequenceGroup {
  /** What is done with the sequences' news, all on the thread that runs the group. */
  interface Watcher {
    void started(int sequence, int cachedTokens);

    void prompt(int sequence, int id, Optional<TokenLogprobs> logprobs);

    /** Takes a token; false if the sequence shall end here. */
    boolean token(int sequence, int id, Optional<TokenLogprobs> logprobs);

    void finished(int sequence, GenerationListener.Finish finish, GenerationListener.Usage usage);

    /** The time of a heartbeat has passed, whatever has happened in it. */
    void heartbeat();
  }

  private sealed interface News {
    int sequence();

    record Started(int sequence, int cached) implements News {}

    record Prompt(int sequence, int id, Optional<TokenLogprobs> logprobs) implements News {}

    record Token(int sequence, int id, Optional<TokenLogprobs> logprobs) implements News {}

    record Finished(int sequence, GenerationListener.Finish finish, GenerationListener.Usage usage)
        implements News {}

    record Failed(int sequence, RuntimeException why) implements News {}
  }

  private final Scheduler scheduler;
  private final List<GenerationRequest> requests;
  private final BlockingQueue<News> news = new LinkedBlockingQueue<>();
  private final Generation[] running;
  private final boolean[] ended;
  private int submitted;
  private int over;

  private SequenceGroup(Scheduler scheduler, List<GenerationRequest> requests) {
    this.scheduler = scheduler;
    this.requests = requests;
    this.running = new Generation[requests.size()];
    this.ended = new boolean[requests.size()];
  }

  /**
   * Runs all sequences to their ends.
   *
   * @param heartbeat how often {@code watcher} hears that it goes on
   * @throws OverloadedException if not even one is taken
   * @throws ClosedException if the scheduler takes no more before all are taken
   * @throws ApiException 504 after {@code limit}; 503 if the scheduler cuts a sequence off
   * @throws RuntimeException what the watcher throws, or the engine; then all sequences are
   *     cancelled
   */
  static void run(
      Scheduler scheduler,
      List<GenerationRequest> requests,
      Watcher watcher,
      Duration heartbeat,
      Duration limit) {
    SequenceGroup group = new SequenceGroup(scheduler, requests);
    boolean done = false;
    try {
      group.run(watcher, heartbeat, limit);
      done = true;
    } finally {
      if (!done) {
        group.cancel();
      }
    }
  }

  private void run(Watcher watcher, Duration heartbeat, Duration limit) {
    long deadline = System.nanoTime() + limit.toNanos();
    submit();
    long beat = System.nanoTime() + heartbeat.toNanos();
    while (over < requests.size()) {
      long now = System.nanoTime();
      if (now >= deadline) {
        throw ApiException.timeout(limit);
      }
      if (now >= beat) {
        watcher.heartbeat();
        beat = now + heartbeat.toNanos();
      }
      News n = next(Math.min(deadline, beat) - now);
      if (n != null) {
        handle(n, watcher);
      }
    }
  }

  private News next(long nanos) {
    try {
      return news.poll(nanos, TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw ApiException.shuttingDown();
    }
  }

  private void handle(News n, Watcher watcher) {
    int s = n.sequence();
    switch (n) {
      case News.Started started -> watcher.started(s, started.cached());
      case News.Prompt p -> watcher.prompt(s, p.id(), p.logprobs());
      case News.Token t -> {
        if (!ended[s] && !watcher.token(s, t.id(), t.logprobs())) {
          ended[s] = true;
          running[s].cancel();
        }
      }
      case News.Finished f -> {
        if (f.finish() == GenerationListener.Finish.CANCELLED && !ended[s]) {
          throw ApiException.shuttingDown(); // it was not cancelled here
        }
        over++;
        watcher.finished(s, f.finish(), f.usage());
        submit();
      }
      case News.Failed f -> throw f.why();
    }
  }

  /** Hands over as many as the scheduler takes; the rest when one of ours has ended. */
  private void submit() {
    while (submitted < requests.size()) {
      try {
        running[submitted] = scheduler.submit(requests.get(submitted), listener(submitted));
        submitted++;
      } catch (OverloadedException e) {
        if (submitted > over) {
          return;
        }
        throw e;
      }
    }
  }

  private GenerationListener listener(int sequence) {
    return new GenerationListener() {
      @Override
      public void started(int cachedTokens) {
        news.add(new News.Started(sequence, cachedTokens));
      }

      @Override
      public void prompt(int id, Optional<TokenLogprobs> logprobs) {
        news.add(new News.Prompt(sequence, id, logprobs));
      }

      @Override
      public void token(int id, Optional<TokenLogprobs> logprobs) {
        news.add(new News.Token(sequence, id, logprobs));
      }

      @Override
      public void finished(Finish finish, Usage usage) {
        news.add(new News.Finished(sequence, finish, usage));
      }

      @Override
      public void failed(RuntimeException why) {
        news.add(new News.Failed(sequence, why));
      }
    };
  }

  private void cancel() {
    for (Generation g : running) {
      if (g != null) {
        g.cancel();
      }
    }
  }
}
