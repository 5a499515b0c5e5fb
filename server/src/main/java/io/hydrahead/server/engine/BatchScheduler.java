package io.hydrahead.server.engine;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.serve.BatchEngine;
import io.hydrahead.serve.BatchOptions;
import io.hydrahead.serve.BatchSequence;
import io.hydrahead.serve.BatchStats;
import io.hydrahead.server.engine.GenerationListener.Finish;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Many requests at once (continuous batching, Orca, OSDI 2022): every step decodes a token of each
 * reply and reads a piece of one prompt. A request begins when there is room for all that it may
 * become, in the order of coming; requests with the same prompt read it once.
 *
 * <p>Of the prompts the one with the least left to read goes on; after every three pieces the
 * oldest does, so that none is forgotten. A prompt of a piece at most does not even wait for the
 * end of a longer one's piece: it is read in a pause between that one's layers. So a short request
 * that comes while a long prompt is read has its first token after its own work and that of a
 * sixteenth of a piece. The pauses of one step read a piece at most: replies wait no longer than
 * for two.
 */
public final class BatchScheduler implements Scheduler {
  private static final System.Logger LOG = System.getLogger("io.hydrahead.server");

  /** Pieces of others after which the oldest prompt reads one. */
  private static final int OVERTAKING = 3;

  private final HybridTransformer model;
  private final BatchEngine engine;
  private final SavedPrefixes saved;
  private final int maxContext;
  private final int maxWaiting;
  private final Thread worker;
  private final Deque<BatchJob> waiting = new ArrayDeque<>();
  private boolean closing;

  /** Taken from the queue and not over. */
  private int running;

  private volatile boolean abandoned;
  private volatile Caches caches = Caches.NONE;

  /** Requests whose prompts are being read, by age; only the worker's. */
  private final List<BatchJob> reading = new ArrayList<>();

  /** Requests that are being replied to; only the worker's. */
  private final List<BatchJob> replying = new ArrayList<>();

  /** Tokens that others have read since the oldest prompt last read a piece. */
  private int overtaken;

  /** Tokens that the pauses of the present step may still read. */
  private int pauseTokens;

  /** Told whenever the worker could turn to another request; only the worker's. */
  private final Consumer<BatchEngine> turns;

  /**
   * Begins to work for {@code model}, which from now on belongs to the scheduler's thread and stays
   * the caller's to close, after the scheduler.
   *
   * @param options how many requests at once, and in which memory
   * @param maxWaiting most requests that wait
   * @throws io.hydrahead.tensor.InputException if the memory does not suffice
   */
  public BatchScheduler(HybridTransformer model, BatchOptions options, int maxWaiting) {
    this(model, options, maxWaiting, Optional.empty(), engine -> {});
  }

  /**
   * Likewise.
   *
   * @param prefixes where what was read of prompts is found now and left at the end, if anywhere
   * @throws java.util.concurrent.CancellationException if its progress asks to stop restoring
   */
  public BatchScheduler(
      HybridTransformer model,
      BatchOptions options,
      int maxWaiting,
      Optional<PrefixStore> prefixes) {
    this(model, options, maxWaiting, prefixes, engine -> {});
  }

  /** With somebody who looks on, for instance to see what comes before what. */
  BatchScheduler(
      HybridTransformer model,
      BatchOptions options,
      int maxWaiting,
      Optional<PrefixStore> prefixes,
      Consumer<BatchEngine> turns) {
    this.turns = turns;
    this.model = model;
    this.engine = new BatchEngine(model, options);
    this.maxContext = engine.largestContext();
    this.maxWaiting = maxWaiting;
    this.saved = new SavedPrefixes(engine, prefixes);
    boolean ready = false;
    try {
      saved.restore();
      publish();
      ready = true;
    } finally {
      if (!ready) {
        engine.close();
      }
    }
    this.worker = Thread.ofPlatform().daemon().name("hydrahead-scheduler").start(this::work);
  }

  @Override
  public Generation submit(GenerationRequest request, GenerationListener listener) {
    Requests.check(request, maxContext, model.config().vocabSize());
    BatchJob job = new BatchJob(request, listener, model.config().vocabSize(), this::dequeue);
    synchronized (this) {
      if (closing) {
        throw new ClosedException();
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

  private synchronized boolean dequeue(BatchJob job) {
    boolean removed = waiting.remove(job);
    notifyAll();
    return removed;
  }

  /** Takes a request out of the queue to work on it; false if it was cancelled meanwhile. */
  private synchronized boolean take(BatchJob job) {
    boolean there = waiting.remove(job);
    running += there ? 1 : 0;
    return there;
  }

  private void work() {
    while (awaitWork()) {
      turns.accept(engine);
      admit();
      dropCancelled();
      if (!reading.isEmpty() || !replying.isEmpty()) {
        step();
      }
      publish();
    }
    try {
      saved.save();
      publish();
    } finally {
      engine.close();
    }
  }

  /** Waits until there is something to do; false at the end. */
  private synchronized boolean awaitWork() {
    while (running == 0 && waiting.isEmpty()) {
      if (closing) {
        return false;
      }
      try {
        wait();
      } catch (InterruptedException e) {
        closing = true;
      }
    }
    return true;
  }

  private void publish() {
    BatchStats s = engine.stats();
    caches =
        new Caches(
            s.tokens(),
            s.kvBytes(),
            s.kvBytesTotal(),
            s.stateBytes(),
            s.stateBytesTotal(),
            saved.disk(s.restoredTokens()));
    synchronized (this) {
      running = reading.size() + replying.size();
      notifyAll();
    }
  }

  /** Begins what there is room for. */
  private void admit() {
    for (BatchJob job = first(); job != null; job = first()) {
      try {
        Optional<BatchSequence> room =
            engine.open(job.prompt, job.request.maxTokens(), !job.request.promptLogprobs());
        if (room.isEmpty()) {
          return;
        }
        if (!take(job)) {
          room.get().close();
          continue;
        }
        reading.add(job);
        job.begin(room.get(), room.get().cachedTokens());
      } catch (RuntimeException e) {
        take(job);
        reading.remove(job);
        job.fail(e);
      }
    }
  }

  /** The first that waits, but for those whose prompt is being read for another. */
  private synchronized BatchJob first() {
    for (BatchJob job : waiting) {
      if (reading.stream().noneMatch(job::twin)) {
        return job;
      }
    }
    return null;
  }

  private void dropCancelled() {
    for (List<BatchJob> jobs : List.of(reading, replying)) {
      for (BatchJob job : jobs) {
        if (job.cancelled() || abandoned) {
          job.guarded(() -> job.end(Finish.CANCELLED));
        }
      }
      jobs.removeIf(BatchJob::over);
    }
  }

  private void step() {
    BatchJob reader = nextReader();
    List<BatchJob> decoding = List.copyOf(replying);
    try {
      engine.step(
          decoding.stream().map(j -> j.sequence).toList(),
          reader == null ? null : reader.sequence,
          engine.piece(),
          reader == null ? null : reader.listening(),
          () -> pause(reader));
    } catch (RuntimeException e) {
      failAll(e);
      return;
    } catch (OutOfMemoryError e) {
      failAll(new IllegalStateException("out of memory", e));
      return;
    }
    replyToAll(decoding);
    if (reader != null && !reader.sequence.reading()) {
      reading.remove(reader);
      beginReplies(reader);
    }
    replying.removeIf(BatchJob::over);
  }

  /** Reads prompts that are short against that of {@code reader}, which a step is reading. */
  private void pause(BatchJob reader) {
    for (BatchJob job = nextInPause(reader); job != null; job = nextInPause(reader)) {
      int left = job.left();
      pauseTokens -= left;
      overtaken += left;
      try {
        while (job.sequence.reading()) {
          engine.readInPause(job.sequence, job.listening());
        }
        reading.remove(job);
        beginReplies(job);
      } catch (RuntimeException e) {
        reading.remove(job);
        job.fail(e);
      } catch (OutOfMemoryError e) {
        reading.remove(job);
        job.fail(new IllegalStateException("out of memory", e));
      }
    }
    replying.removeIf(BatchJob::over);
  }

  /** The shortest prompt that the pauses of the step may still read to its end, if any. */
  private BatchJob nextInPause(BatchJob reader) {
    turns.accept(engine);
    admit();
    int most = Math.min(pauseTokens, reader.left() - 1);
    return reading.stream()
        .filter(j -> j != reader && !j.cancelled() && j.left() <= most)
        .min(Comparator.comparingInt(BatchJob::left))
        .orElse(null);
  }

  /**
   * The next token of all that were decoded; those that need a sampler only are sampled together.
   */
  private void replyToAll(List<BatchJob> decoded) {
    List<BatchJob> sampled = decoded.stream().filter(j -> j.reply.sampled()).toList();
    int[] ids = null;
    try {
      ids =
          engine.sample(
              sampled.stream().map(j -> j.sequence).toList(),
              sampled.stream().map(j -> j.reply.sampler()).toList());
    } catch (IllegalStateException e) {
      LOG.log(Level.DEBUG, "one of them has no next token; each is asked by itself", e);
    }
    int at = 0;
    for (BatchJob job : decoded) {
      if (ids != null && job.reply.sampled()) {
        int id = ids[at++];
        job.guarded(() -> job.goOn(job.reply.take(id)));
      } else {
        job.guarded(() -> job.reply(job.sequence));
      }
    }
  }

  /** Whose prompt the next step reads, null for nobody's; and what others may read meanwhile. */
  private BatchJob nextReader() {
    pauseTokens = engine.piece();
    if (reading.isEmpty()) {
      return null;
    }
    BatchJob oldest = reading.getFirst();
    BatchJob shortest = reading.stream().min(Comparator.comparingInt(BatchJob::left)).orElseThrow();
    if (shortest == oldest || overtaken >= OVERTAKING * engine.piece()) {
      overtaken = 0;
      return oldest;
    }
    overtaken += Math.min(engine.piece(), shortest.left());
    return shortest;
  }

  /** The first tokens of a prompt's reply, and of those of others that wait for the same prompt. */
  private void beginReplies(BatchJob reader) {
    List<BatchJob> all = new ArrayList<>();
    all.add(reader);
    for (BatchJob twin : twins(reader)) {
      BatchSequence copy;
      try {
        copy = reader.sequence.fork(twin.request.maxTokens());
      } catch (IllegalStateException full) {
        break; // it waits for room, and finds what it can in the prefix cache
      }
      if (!take(twin)) {
        copy.close();
        continue;
      }
      twin.guarded(() -> twin.begin(copy, twin.prompt.length));
      if (!twin.over()) {
        all.add(twin);
      }
    }
    // The reader's logits serve all; it goes last, since they are void when it ends.
    for (BatchJob job : all.reversed()) {
      job.guarded(() -> {
        Optional<Finish> finish = job.reply.before();
        if (finish.isPresent()) {
          job.end(finish.get());
          return;
        }
        replying.add(job);
        job.reply(reader.sequence);
      });
    }
  }

  private synchronized List<BatchJob> twins(BatchJob reader) {
    return waiting.stream().filter(j -> j.twin(reader)).toList();
  }

  private void failAll(RuntimeException why) {
    List<BatchJob> all = new ArrayList<>(reading);
    all.addAll(replying);
    reading.clear();
    replying.clear();
    all.forEach(j -> j.fail(why));
  }

  @Override
  public int maxContext() {
    return maxContext;
  }

  @Override
  public synchronized Status status() {
    return new Status(waiting.size(), running, caches, worker.isAlive());
  }

  @Override
  public void drain(Duration patience) {
    long deadline = System.nanoTime() + patience.toNanos();
    synchronized (this) {
      closing = true;
      notifyAll();
      Worker.awaitIdle(
          this, deadline, () -> !worker.isAlive() || running == 0 && waiting.isEmpty());
    }
    close();
  }

  @Override
  public void close() {
    List<BatchJob> left;
    synchronized (this) {
      closing = true;
      abandoned = true;
      left = new ArrayList<>(waiting);
      notifyAll();
    }
    left.forEach(BatchJob::cancel);
    Worker.join(worker);
  }
}
