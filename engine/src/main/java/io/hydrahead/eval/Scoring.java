package io.hydrahead.eval;

/** How an answer is scored. */
public enum Scoring {
  /** RULER's way: generate greedily and look for the references in the output. */
  GENERATE,
  /**
   * Read the expected answer behind the prompt and ask, for each reference, whether the model's
   * first choice is right at every token of it: one forward pass, no decoding. All references right
   * is the same as greedy decoding giving the expected answer word for word.
   */
  TEACHER_FORCED
}
