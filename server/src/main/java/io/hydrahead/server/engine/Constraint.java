package io.hydrahead.server.engine;

import io.hydrahead.tensor.Tensor;
import java.util.Set;

/** What the tokens of one reply may be. */
public interface Constraint {
  /** Makes the constraint of a new reply. */
  @FunctionalInterface
  interface Maker {
    Constraint begin();
  }

  /**
   * Sets the logits [V] of all tokens that may not come next to −∞.
   *
   * @param endIds tokens that end the reply; left alone only where it may end
   */
  void mask(Tensor logits, Set<Integer> endIds);

  /** Says that {@code id}, which was not an end, has come. */
  void advance(int id);

  /** Whether the reply is whole and nothing can follow. */
  boolean complete();
}
