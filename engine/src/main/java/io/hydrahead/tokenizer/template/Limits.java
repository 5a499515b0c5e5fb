package io.hydrahead.tokenizer.template;

/**
 * What one rendering may take.
 *
 * @param output most characters of the result, and of any text on the way to it
 * @param work most steps: about one for every operation and for every 16 characters or items that
 *     are made
 * @param calls how deep macros and recursive loops may call each other
 */
public record Limits(int output, long work, int calls) {
  /** Ample for a context of a million tokens. */
  public static final Limits DEFAULT = new Limits(16 << 20, 100_000_000, 100);

  public Limits {
    if (output < 1 || work < 1 || calls < 1) {
      throw new IllegalArgumentException("limits are positive");
    }
  }
}
