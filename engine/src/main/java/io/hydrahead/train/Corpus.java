package io.hydrahead.train;

/** Where the stages of a run get their rows from. */
public interface Corpus {
  /** Rows that {@code stage} trains on, of T + 1 tokens for its context T. */
  Rows training(Stage stage);

  /** Rows of the same length that no stage trains on. */
  Rows heldOut(Stage stage);
}
