package io.hydrahead.server.engine;

import io.hydrahead.model.LogitsSink;
import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.serve.BatchSequence;
import io.hydrahead.server.engine.GenerationListener.Finish;
import io.hydrahead.server.engine.GenerationListener.Usage;
import io.hydrahead.tensor.Tensor;
import java.lang.System.Logger.Level;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * A request that a {@link BatchScheduler} took, on its way: it waits, its prompt is read, it is
 * replied to, it is over. All but {@link #cancel} is the worker's.
 */
final class BatchJob implements Generation {
  private static final System.Logger LOG = System.getLogger("io.hydrahead.server");

  final GenerationRequest request;
  final int[] prompt;

  /** Null while it waits. */
  BatchSequence sequence;

  /** Null while it waits. */
  ReplyTokens reply;

  private final GenerationListener listener;
  private final int vocabulary;
  private final Predicate<BatchJob> dequeue;
  private volatile boolean cancelled;
  private int cached;
  private boolean over;

  /**
   * @param vocabulary V of the model
   * @param dequeue takes it out of those that wait; false if it is none of them
   */
  BatchJob(
      GenerationRequest request,
      GenerationListener listener,
      int vocabulary,
      Predicate<BatchJob> dequeue) {
    this.request = request;
    this.listener = listener;
    this.vocabulary = vocabulary;
    this.dequeue = dequeue;
    this.prompt = request.prompt();
  }

  @Override
  public void cancel() {
    cancelled = true;
    if (dequeue.test(this)) {
      listener.finished(Finish.CANCELLED, new Usage(prompt.length, 0, 0));
    }
  }

  boolean cancelled() {
    return cancelled;
  }

  /** Whether its listener has heard of its end. */
  boolean over() {
    return over;
  }

  void begin(BatchSequence s, int cachedTokens) {
    sequence = s;
    cached = cachedTokens;
    reply = new ReplyTokens(request, listener, vocabulary);
    listener.started(cachedTokens);
    if (request.promptLogprobs()) {
      listener.prompt(prompt[0], Optional.empty());
    }
  }

  /** Tokens of the prompt that are still to be read. */
  int left() {
    return prompt.length - sequence.position();
  }

  /** Whether another job's reading of the prompt would do for this one. */
  boolean twin(BatchJob other) {
    return !request.promptLogprobs() && Arrays.equals(prompt, other.prompt);
  }

  /**
   * Tells the log-probabilities of the prompt's tokens as they are read on from here; null if
   * nobody asked for them.
   */
  LogitsSink listening() {
    if (!request.promptLogprobs()) {
      return null;
    }
    int from = sequence.position();
    int top = Math.max(0, request.logprobs());
    return (row, logits) -> {
      for (int r = 0; r < logits.size(0); r++) {
        int next = from + row + r + 1;
        if (next < prompt.length) {
          Tensor one = logits.rows(r, 1).view(logits.dim(1));
          int id = prompt[next];
          listener.prompt(id, Optional.of(TokenLogprobs.of(one, id, top)));
        }
      }
    };
  }

  /** The next token of the reply, from the logits that the last step left in {@code read}. */
  void reply(BatchSequence read) {
    goOn(reply.plain() ? reply.take(read.best()) : reply.take(read.logits()));
  }

  /** Ends if the reply did with the token just taken, else has the next step read it. */
  void goOn(Optional<Finish> finish) {
    if (finish.isPresent()) {
      end(finish.get());
    } else {
      sequence.next(reply.last());
    }
  }

  /** Runs {@code action}; a failure is that of this job alone. */
  void guarded(Runnable action) {
    try {
      action.run();
    } catch (RuntimeException e) {
      fail(e);
    }
  }

  void end(Finish finish) {
    over = true;
    sequence.close();
    listener.finished(finish, new Usage(prompt.length, cached, reply.count()));
  }

  void fail(RuntimeException why) {
    over = true;
    if (sequence != null) {
      sequence.close();
    }
    try {
      listener.failed(why);
    } catch (RuntimeException e) {
      LOG.log(Level.WARNING, "a listener failed", e);
    }
  }
}
