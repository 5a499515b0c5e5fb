package io.hydrahead.server;

import io.hydrahead.server.engine.Generation;
import io.hydrahead.server.engine.GenerationListener;
import io.hydrahead.server.engine.GenerationListener.Finish;
import io.hydrahead.server.engine.GenerationListener.Usage;
import io.hydrahead.server.engine.GenerationRequest;
import io.hydrahead.server.engine.Scheduler;
import io.hydrahead.tokenizer.Tokenizer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/** Replies to every request with the same text, as a model would that had learnt to. */
final class ScriptedScheduler implements Scheduler {
  private final Tokenizer tokenizer;
  private final List<String> prompts = new ArrayList<>();
  private final CountDownLatch cancelled = new CountDownLatch(1);
  private volatile String reply = "";
  private volatile long pause;

  ScriptedScheduler(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** From now on replies are this text. */
  void reply(String text) {
    reply = text;
  }

  /** From now on so many milliseconds pass between two tokens. */
  void pause(long millis) {
    pause = millis;
  }

  /** Whether a reply is cancelled before its end, sooner or later. */
  boolean awaitCancelled() throws InterruptedException {
    return cancelled.await(30, TimeUnit.SECONDS);
  }

  /** The prompt of the last request. */
  synchronized String prompt() {
    return prompts.getLast();
  }

  @Override
  public synchronized Generation submit(GenerationRequest request, GenerationListener listener) {
    prompts.add(tokenizer.decode(request.prompt()));
    AtomicBoolean stop = new AtomicBoolean();
    Thread.ofVirtual().start(() -> tell(request, listener, stop));
    return () -> stop.set(true);
  }

  private void tell(GenerationRequest request, GenerationListener listener, AtomicBoolean stop) {
    listener.started(0);
    int count = 0;
    int[] ids = tokenizer.encode(reply);
    Finish finish = ids.length > request.maxTokens() ? Finish.LENGTH : Finish.STOP;
    for (int id : ids) {
      if (stop.get()) {
        finish = Finish.CANCELLED;
        cancelled.countDown();
        break;
      }
      if (count == request.maxTokens()) {
        break;
      }
      listener.token(id, Optional.empty());
      count++;
      LockSupport.parkNanos(pause * 1_000_000);
    }
    listener.finished(finish, new Usage(request.promptTokens(), 0, count));
  }

  @Override
  public int maxContext() {
    return 4096;
  }

  @Override
  public Status status() {
    return new Status(0, 0, Caches.NONE, true);
  }

  @Override
  public void drain(Duration patience) {}

  @Override
  public void close() {}
}
