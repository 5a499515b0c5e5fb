package io.hydrahead.model;

import io.hydrahead.ops.Ops;

/**
 * What a pass is built for: a model's structure and fixed sizes, B sequences of T tokens.
 *
 * @param capacity most tokens of the whole text, as far as that is known
 */
record PassSpec(
    ModelConfig config,
    HeadPlan plan,
    Style style,
    Ops ops,
    int batch,
    int tokens,
    int capacity,
    Phase phase) {
  /** What a pass is for. */
  enum Phase {
    /** A piece of a text whose past lies in caches. */
    CACHED,
    /** Whole sequences, forward only. */
    FORWARD,
    /** Whole sequences, with a backward pass. */
    TRAINING
  }

  static PassSpec of(HybridTransformer m, int batch, int tokens, Phase phase) {
    int capacity = phase == Phase.CACHED ? Integer.MAX_VALUE : tokens;
    return new PassSpec(m.config(), m.plan(), m.style(), m.ops(), batch, tokens, capacity, phase);
  }

  /** For a piece of {@code tokens} of one text, whose past lies in caches for {@code capacity}. */
  static PassSpec cached(HybridTransformer m, int tokens, int capacity) {
    return new PassSpec(
        m.config(), m.plan(), m.style(), m.ops(), 1, tokens, capacity, Phase.CACHED);
  }

  /** N = B·T. */
  int rows() {
    return Math.multiplyExact(batch, tokens);
  }

  /** Whether what the backward pass needs is kept. */
  boolean training() {
    return phase == Phase.TRAINING;
  }

  boolean cached() {
    return phase == Phase.CACHED;
  }
}
