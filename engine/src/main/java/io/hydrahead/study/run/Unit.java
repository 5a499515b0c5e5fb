package io.hydrahead.study.run;

import io.hydrahead.study.StudyStage;
import java.util.List;
import java.util.function.BooleanSupplier;

/**
 * A piece of work of a study. Its output is either wholly there or not, so that it can be seen
 * whether it is done.
 *
 * @param name its own
 * @param arm that it makes or evaluates; empty for what all arms share
 * @param seed of the teacher; −1 for what all seeds share
 * @param needs names of the units that must be done before
 * @param about for a listing: sizes of the work
 * @param size tokens, and the time they should take one device
 * @param done whether its output is there
 * @param work makes the output
 * @param alone whether no other worker may use the device meanwhile
 */
record Unit(
    String name,
    StudyStage stage,
    String arm,
    int seed,
    List<String> needs,
    String about,
    Size size,
    BooleanSupplier done,
    Runnable work,
    boolean alone) {

  /**
   * What a worker claims to make it. The grids of one model share cells, which nobody need measure
   * twice: one worker at a time is at a model's evaluation.
   */
  String claim() {
    return stage == StudyStage.EVAL && !arm.isEmpty() ? "evaluate " + arm + " seed " + seed : name;
  }

  /** Whether a page shows what it makes: a tokenizer and haystacks are means to that. */
  boolean shown() {
    return switch (stage) {
      case TOKENIZER, REPORT -> false;
      case TEACHER, PROBE, SWEEP, TRAIN -> true;
      case EVAL -> !arm.isEmpty() || alone;
    };
  }

  /** One that may go beside others. */
  Unit(
      String name,
      StudyStage stage,
      String arm,
      int seed,
      List<String> needs,
      String about,
      Size size,
      BooleanSupplier done,
      Runnable work) {
    this(name, stage, arm, seed, needs, about, size, done, work, false);
  }
}
