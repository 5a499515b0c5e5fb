package io.hydrahead.train;

/**
 * Training text as rows of T + 1 tokens, read by index: what a corpus looks like at one context
 * length. Reading a row gives the same tokens every time. Safe for use by many threads.
 */
public interface Rows {
  /** Number of rows; generated text may give a very large number. */
  long count();

  /**
   * Reads row {@code row}.
   *
   * @param ids [T + 1], assigned
   * @param weights [T + 1], assigned: what predicting the token at that place counts in the loss;
   *     that of place 0 is not used
   */
  void read(long row, int[] ids, float[] weights);

  /** Changes when the rows do: part of what a resumed run compares. */
  String fingerprint();
}
