package io.hydrahead.model;

import io.hydrahead.tensor.Tensor;

/** Sees logits while they are made, some rows at a time. V vocabulary. */
@FunctionalInterface
public interface LogitsSink {
  /**
   * @param from place of the first row among all that are shown
   * @param logits [n, V] of rows {@code from} …, in the host's memory, valid during the call
   */
  void accept(int from, Tensor logits);
}
