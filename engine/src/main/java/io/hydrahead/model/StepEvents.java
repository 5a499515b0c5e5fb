package io.hydrahead.model;

import java.util.List;

/**
 * The events of a {@link BatchStep}. A device works on after a step was handed over to it: its
 * events end when somebody has the tokens or logits, or, for want of those, at the next step.
 */
final class StepEvents {
  private final CachePool pool;
  private PrefillEvent prefill;
  private DecodeEvent decode;
  private int tokens;
  private int from;
  private int texts;
  private long context;

  StepEvents(CachePool pool) {
    this.pool = pool;
  }

  /**
   * A step begins, and ends the one before if nothing else has.
   *
   * @param piece tokens of {@code reading} that are read, 0 without it
   */
  void begin(SequenceCache reading, int piece, List<SequenceCache> decoding) {
    end();
    tokens = piece;
    texts = decoding.size();
    if (reading != null) {
      from = reading.position();
      prefill = new PrefillEvent();
      prefill.begin();
    }
    if (texts > 0) {
      context = texts;
      for (SequenceCache s : decoding) {
        context += s.position();
      }
      decode = new DecodeEvent();
      decode.begin();
    }
  }

  /** The results of the last step are there. */
  void end() {
    if (prefill == null && decode == null) {
      return;
    }
    long bytes = pool.kvBytesInUse() + pool.stateBytesInUse();
    if (prefill != null) {
      prefill.done(pool.model(), tokens, from, texts, bytes);
      prefill = null;
    }
    if (decode != null) {
      decode.done(pool.model(), texts, context, tokens, bytes);
      decode = null;
    }
  }
}
