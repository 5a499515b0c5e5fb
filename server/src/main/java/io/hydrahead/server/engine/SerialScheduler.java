package io.hydrahead.server.engine;

import io.hydrahead.model.HybridTransformer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * One request after another, in the order of their coming, on one thread. The caches of the last
 * one are kept, and a request that begins like it reads only what is new.
 */
public final class SerialScheduler implements Scheduler {
  private final int maxContext;
  private final int vocabSize;
  private final int maxWaiting;
  private final SequenceRunner runner;
  private final Thread worker;
  private final Deque<Job> waiting = new ArrayDeque<>();
  private Job running;
  private boolean closing;

  /** A request on its way. */
  private final class Job implements Generation {
    private final GenerationRequest request;
    private final GenerationListener listener;
    private volatile boolean cancelled;

    Job(GenerationRequest request, GenerationListener listener) {
      this.request = request;
      this.listener = listener;
    }

    @Override
    public void cancel() {
      cancelled = true;
      if (dequeue(this)) {
        listener.finished(
            GenerationListener.Finish.CANCELLED,
            new GenerationListener.Usage(request.promptTokens(), 0, 0));
      }
    }

    void run() {
      runner.run(request, listener, () -> cancelled);
    }
  }

  /**
   * Begins to work for {@code model}, which from now on belongs to the scheduler's thread and stays
   * the caller's to close, after the scheduler.
   *
   * @param maxContext most tokens of prompt and reply together
   * @param maxWaiting most requests that wait
   */
  public SerialScheduler(HybridTransformer model, int maxContext, int maxWaiting) {
    this.maxContext = maxContext;
    this.maxWaiting = maxWaiting;
    this.vocabSize = model.config().vocabSize();
    this.runner = new SequenceRunner(model, maxContext);
    this.worker = Thread.ofPlatform().daemon().name("hydrahead-scheduler").start(this::work);
  }

  @Override
  public Generation submit(GenerationRequest request, GenerationListener listener) {
    Requests.check(request, maxContext, vocabSize);
    Job job = new Job(request, listener);
    synchronized (this) {
      if (closing) {
        throw new OverloadedException("The server is shutting down.");
      }
      if (waiting.size() >= maxWaiting) {
        throw new OverloadedException(
            maxWaiting + " requests are waiting already; try again in a moment.");
      }
      waiting.add(job);
      notifyAll();
    }
    return job;
  }

  private synchronized boolean dequeue(Job job) {
    boolean removed = waiting.remove(job);
    notifyAll();
    return removed;
  }

  private void work() {
    for (Job job = next(); job != null; job = next()) {
      job.run();
    }
    runner.close();
  }

  /** The next request, or null at the end. */
  private synchronized Job next() {
    running = null;
    notifyAll();
    while (waiting.isEmpty() && !closing) {
      try {
        wait();
      } catch (InterruptedException e) {
        closing = true;
      }
    }
    running = waiting.poll();
    return running;
  }

  @Override
  public int maxContext() {
    return maxContext;
  }

  @Override
  public synchronized Status status() {
    return new Status(waiting.size(), running == null ? 0 : 1, runner.caches(), worker.isAlive());
  }

  @Override
  public void drain(Duration patience) {
    long deadline = System.nanoTime() + patience.toNanos();
    synchronized (this) {
      closing = true;
      notifyAll();
      Worker.awaitIdle(this, deadline, () -> running == null && waiting.isEmpty());
    }
    close();
  }

  @Override
  public void close() {
    List<Job> left;
    synchronized (this) {
      closing = true;
      left = new ArrayList<>(waiting);
      if (running != null) {
        left.add(running);
      }
      notifyAll();
    }
    left.forEach(Job::cancel);
    Worker.join(worker);
  }
}
