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
import java.util.concurrent.atomic.AtomicBoolean;

/** Replies to every request with the same text, as a model would that had learnt to. */
final class ScriptedScheduler implements Scheduler {
  private final Tokenizer tokenizer;
  private final List<String> prompts = new ArrayList<>();
  private volatile String reply = "";

  ScriptedScheduler(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** From now on replies are this text. */
  void reply(String text) {
    reply = text;
  }

  /** The prompt of the last request. */
  synchronized String prompt() {
    return prompts.getLast();
  }

  @Override
  public synchronized Generation submit(GenerationRequest request, GenerationListener listener) {
    prompts.add(tokenizer.decode(request.prompt()));
    AtomicBoolean cancelled = new AtomicBoolean();
    Thread.ofVirtual().start(() -> tell(request, listener, cancelled));
    return () -> cancelled.set(true);
  }

  private void tell(
      GenerationRequest request, GenerationListener listener, AtomicBoolean cancelled) {
    listener.started(0);
    int count = 0;
    int[] ids = tokenizer.encode(reply);
    Finish finish = ids.length > request.maxTokens() ? Finish.LENGTH : Finish.STOP;
    for (int id : ids) {
      if (cancelled.get()) {
        finish = Finish.CANCELLED;
        break;
      }
      if (count == request.maxTokens()) {
        break;
      }
      listener.token(id, Optional.empty());
      count++;
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
