package io.hydrahead.data;

/** Makes a task's text at any size. */
public interface TaskGenerator {
  /** The least size that makes sense. */
  int smallest();

  /** The largest size there is; {@link Integer#MAX_VALUE} where nothing limits it. */
  default int largest() {
    return Integer.MAX_VALUE;
  }

  /**
   * A text with {@code size} haystack lines, words or pairs: a function of its arguments, whose
   * length grows with {@code size}.
   */
  TaskText build(int size, Dice dice);
}
