package io.hydrahead.data;

/** The wording of a task. */
public enum TaskStyle {
  /** RULER's prompt, word by word, its instruction and few-shot example included. */
  RULER,
  /** Only the context and one question, with short keys: for small models and short contexts. */
  SHORT,
  /**
   * Like {@link #SHORT} in words of its own for every text ({@link Wordings}), which training,
   * development, probe and test do not share; and every family whose context has room for them
   * takes several questions.
   */
  VARIED
}
