package io.hydrahead.serve;

import io.hydrahead.model.BatchStep;
import io.hydrahead.model.SequenceCache;
import io.hydrahead.tensor.Tensor;
import java.util.Arrays;

/**
 * One text of a {@link BatchEngine}: its prompt is read in pieces, then it goes on token by token.
 */
public final class BatchSequence implements AutoCloseable {
  private final BatchEngine engine;
  final SequenceCache cache;
  final boolean cached;

  /** Prompt and reply, as far as they are known. */
  int[] ids;

  /** How many of {@link #ids} are known: read, or to be read next. */
  int known;

  /** Tokens of the prompt. */
  final int prompt;

  /** Most tokens of prompt and reply. */
  final int most;

  /** Tokens of the prompt that were known before. */
  private final int cachedTokens;

  /** Where others branched off, a place worth a snapshot; 0 for none. */
  final int branch;

  /** Slot of a snapshot at {@link #trailingAt} while the reply grows, 0 for none. */
  int trailing;

  int trailingAt;

  /** Its place in the last step: −2 for none, −1 as the one that read. */
  private int place = -2;

  private long step = -1;

  /** Which of the engine's two kinds of steps the last one was; null before it. */
  private BatchStep by;

  /** Whether it belongs to a step that is under way. */
  boolean busy;

  boolean closed;

  BatchSequence(
      BatchEngine engine,
      SequenceCache cache,
      boolean cached,
      int[] ids,
      int prompt,
      int most,
      int branch) {
    this.engine = engine;
    this.cache = cache;
    this.cached = cached;
    this.ids = ids;
    this.known = ids.length;
    this.prompt = prompt;
    this.most = most;
    this.branch = branch;
    cachedTokens = Math.min(cache.position(), prompt);
  }

  /** Tokens of the prompt that need not be read, since what was read of them before is kept. */
  public int cachedTokens() {
    return cachedTokens;
  }

  /** Tokens read so far, those that were known before among them. */
  public int position() {
    return cache.position();
  }

  /** Whether a part of the prompt is still to be read. */
  public boolean reading() {
    return cache.position() < prompt;
  }

  /**
   * The token that the next step reads.
   *
   * @throws IllegalStateException before the prompt is read, if one is set already, or if prompt
   *     and reply have their most tokens
   */
  public void next(int id) {
    if (closed || reading() || known > cache.position() || known == most) {
      throw new IllegalStateException(
          "no token can come after " + known + " of " + most + ", read " + cache.position());
    }
    if (known == ids.length) {
      ids = Arrays.copyOf(ids, Math.min(most, 2 * known));
    }
    ids[known++] = id;
  }

  void took(int newPlace, BatchStep in, long number) {
    place = newPlace;
    by = in;
    step = number;
  }

  /**
   * Logits [V] after the last token read, in the host's memory; valid until the engine is asked for
   * others or for a step of the same kind: within a pause, or not.
   *
   * @throws IllegalStateException if the last step did not decode this text or end its prompt
   */
  public Tensor logits() {
    return requireStep().logits(place);
  }

  /** The most likely next token, of equals the smallest; see {@link #logits}. */
  public int best() {
    return requireStep().best(place);
  }

  /** The step that left logits of this text. */
  BatchStep requireStep() {
    if (closed || place == -2 || !engine.isLast(by, step) || reading()) {
      throw new IllegalStateException("the last step left no logits of this text");
    }
    return by;
  }

  /** Its place in the last step. */
  int place() {
    return place;
  }

  /**
   * A text that goes on from here on its own, where the prompt is read: for several replies to one
   * prompt. It has no logits before its first step; take this one's.
   *
   * @param maxNew most tokens that it may add
   * @throws IllegalStateException before the prompt is read, or if there is no room now
   */
  public BatchSequence fork(int maxNew) {
    return engine.fork(this, maxNew);
  }

  /**
   * Ends the text, at any time but in a pause of a step that it belongs to. What it has read is
   * kept for others as far as there is room.
   */
  @Override
  public void close() {
    engine.close(this);
  }
}
