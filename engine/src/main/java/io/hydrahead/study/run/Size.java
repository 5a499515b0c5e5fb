package io.hydrahead.study.run;

/**
 * What a unit of a study takes.
 *
 * @param trained tokens that a model is trained on
 * @param evaluated tokens that a model reads in an evaluation
 * @param seconds by the recipe's rates; 0 where that is nothing to speak of
 * @param operations floating-point, roughly: a forward pass of the Transformer at its native
 *     context for each evaluated token, 3 for one that is trained on, with the backward pass, and 4
 *     where a teacher reads it too
 */
public record Size(long trained, long evaluated, double seconds, double operations) {
  /** Nothing to speak of. */
  public static final Size NONE = new Size(0, 0, 0, 0);

  static Size pretraining(long tokens, double rate, double forward) {
    return new Size(tokens, 0, tokens / rate, 3 * forward * tokens);
  }

  static Size transfer(long tokens, double rate, double forward) {
    return new Size(tokens, 0, tokens / rate, 4 * forward * tokens);
  }

  static Size evaluation(long tokens, double rate, double forward) {
    return new Size(0, tokens, tokens / rate, forward * tokens);
  }

  /** Both together. */
  public Size plus(Size o) {
    return new Size(
        trained + o.trained,
        evaluated + o.evaluated,
        seconds + o.seconds,
        operations + o.operations);
  }
}
