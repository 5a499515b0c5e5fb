package io.hydrahead.data;

/** The wording of a task. */
public enum TaskStyle {
  /** RULER's prompt, word by word, its instruction and few-shot example included. */
  RULER,
  /** Only the context and one question, with short keys: for small models and short contexts. */
  SHORT
}
