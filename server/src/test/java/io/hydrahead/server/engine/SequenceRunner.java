package io.hydrahead.server.engine;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.Session;
import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.server.engine.GenerationListener.Finish;
import io.hydrahead.server.engine.GenerationListener.Usage;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * What the replies of a {@link BatchScheduler} are compared with: reads and continues one sequence
 * at a time in one session, which keeps what it read. Used by one thread; only {@link #caches} may
 * be asked by others.
 */
final class SequenceRunner implements AutoCloseable {
  /** Tokens between two looks at whether the request was cancelled. */
  private static final int PIECE = 512;

  private static final int SMALLEST_SESSION = 1024;

  /** Room for a reply that may be longer: most clients give no limit, and few replies need it. */
  private static final int REPLY_AT_FIRST = 1024;

  private final HybridTransformer model;
  private final int maxContext;
  private final int smallest;
  private final int replyAtFirst;
  private final Tensor promptLogits;
  private Session session;

  /** What the session has read, as far as its position goes. */
  private int[] read = new int[0];

  /** Where the last prompt ended; {@link #promptLogits} belong there. */
  private Session.Mark promptEnd;

  private volatile long room;
  private volatile long kvBytes;
  private volatile long stateBytes;

  SequenceRunner(HybridTransformer model, int maxContext) {
    this(model, maxContext, SMALLEST_SESSION, REPLY_AT_FIRST);
  }

  /**
   * @param smallest least tokens that a session has room for
   * @param replyAtFirst room for a reply before it is known how long it gets
   */
  SequenceRunner(HybridTransformer model, int maxContext, int smallest, int replyAtFirst) {
    this.model = model;
    this.maxContext = maxContext;
    this.smallest = smallest;
    this.replyAtFirst = replyAtFirst;
    promptLogits = Tensor.allocate(Arena.ofAuto(), model.config().vocabSize());
  }

  /** What the session takes; all of it is in use. */
  Scheduler.Caches caches() {
    return new Scheduler.Caches(
        room, kvBytes, kvBytes, stateBytes, stateBytes, Scheduler.Disk.NONE);
  }

  /** Works on a request to its end, whatever happens. */
  void run(GenerationRequest request, GenerationListener listener, BooleanSupplier cancelled) {
    int[] prompt = request.prompt();
    try {
      open(prompt.length + Math.min(request.maxTokens(), replyAtFirst));
      boolean rereads = request.promptLogprobs();
      int cached = rereads ? reset() : moveTo(prompt);
      listener.started(cached);
      if (rereads) {
        tell(listener, prompt[0], Optional.empty());
      }
      boolean whole = readPrompt(request, prompt, listener, cancelled);
      if (!whole) {
        listener.finished(Finish.CANCELLED, new Usage(prompt.length, cached, 0));
        return;
      }
      promptEnd = session.mark();
      ReplyTokens reply = new ReplyTokens(request, listener, model.config().vocabSize());
      Finish finish = write(reply, cancelled);
      listener.finished(finish, new Usage(prompt.length, cached, reply.count()));
    } catch (RuntimeException e) {
      forget();
      listener.failed(e);
    } catch (OutOfMemoryError e) {
      forget();
      listener.failed(new IllegalStateException("out of memory", e));
    }
  }

  private static void tell(GenerationListener listener, int id, Optional<TokenLogprobs> logprobs) {
    listener.prompt(id, logprobs);
  }

  /** Makes sure that the session has room for {@code tokens}. */
  private void open(int tokens) {
    if (session != null && session.capacity() >= tokens) {
      return;
    }
    forget();
    int ample = Math.max(smallest, Integer.highestOneBit(Math.max(1, tokens - 1)) * 2);
    session = model.newSession(Math.max(tokens, Math.min(maxContext, ample)));
    room = session.capacity();
    kvBytes = session.kvBytes();
    stateBytes = session.stateBytes();
  }

  /** Goes on in a session with more room, which reads everything once more. */
  private void grow() {
    int[] all = Arrays.copyOf(read, session.position());
    open(all.length + 1);
    read = Arrays.copyOf(all, session.capacity());
    session.prefill(all);
  }

  private void forget() {
    if (session != null) {
      session.close();
    }
    session = null;
    promptEnd = null;
    room = 0;
    kvBytes = 0;
    stateBytes = 0;
  }

  private int reset() {
    session.reset();
    promptEnd = null;
    return 0;
  }

  /** Goes to the farthest place from which {@code prompt} can be read on; returns the position. */
  private int moveTo(int[] prompt) {
    int mismatch = Arrays.mismatch(Arrays.copyOf(read, session.position()), prompt);
    int agree = mismatch < 0 ? prompt.length : mismatch;
    if (agree < session.position() || session.position() == prompt.length) {
      boolean back = promptEnd != null && promptEnd.position() <= agree;
      if (!back) {
        return reset();
      }
      session.rewind(promptEnd);
    }
    return session.position();
  }

  /** Reads what is left of the prompt; false if the request was cancelled. */
  private boolean readPrompt(
      GenerationRequest request,
      int[] prompt,
      GenerationListener listener,
      BooleanSupplier cancelled) {
    int from = session.position();
    read = Arrays.copyOf(prompt, session.capacity());
    if (from < prompt.length) {
      promptEnd = null;
    }
    for (int i = from; i < prompt.length; ) {
      if (cancelled.getAsBoolean()) {
        return false;
      }
      int to = Math.min(prompt.length, (i / PIECE + 1) * PIECE);
      int[] piece = Arrays.copyOfRange(prompt, i, to);
      if (request.promptLogprobs()) {
        readAloud(request, prompt, piece, i, listener);
      } else {
        promptLogits.copyFrom(session.prefill(piece));
      }
      i = to;
    }
    return true;
  }

  /** Reads a piece and tells the log-probabilities of the tokens after each of its own. */
  private void readAloud(
      GenerationRequest request, int[] prompt, int[] piece, int from, GenerationListener listener) {
    session.prefill(
        piece,
        (row, logits) -> {
          for (int r = 0; r < logits.dim(0); r++) {
            Tensor one = logits.rows(r, 1).view(logits.dim(1));
            int next = from + row + r + 1;
            if (next < prompt.length) {
              int top = Math.max(0, request.logprobs());
              int id = prompt[next];
              tell(listener, id, Optional.of(TokenLogprobs.of(one, id, top)));
            } else {
              promptLogits.copyFrom(one);
            }
          }
        });
  }

  private Finish write(ReplyTokens reply, BooleanSupplier cancelled) {
    Optional<Finish> finish = reply.before();
    Tensor logits = promptLogits;
    while (finish.isEmpty()) {
      if (cancelled.getAsBoolean()) {
        return Finish.CANCELLED;
      }
      finish = reply.take(logits);
      if (finish.isEmpty()) {
        if (session.position() == session.capacity()) {
          grow();
        }
        read[session.position()] = reply.last();
        logits = session.decode(reply.last());
      }
    }
    return finish.get();
  }

  @Override
  public void close() {
    forget();
  }
}
