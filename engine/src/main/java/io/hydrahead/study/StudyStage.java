package io.hydrahead.study;

/** The kinds of work in a study, in order. */
public enum StudyStage {
  /** The tokenizer of all teachers. */
  TOKENIZER,
  TEACHER,
  /** Which heads matter, and how loud they are. */
  PROBE,
  /** Trials of learning rates. */
  SWEEP,
  /** Conversion and transfer of the arms. */
  TRAIN,
  EVAL,
  REPORT
}
