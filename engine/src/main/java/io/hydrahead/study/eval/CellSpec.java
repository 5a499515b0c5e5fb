package io.hydrahead.study.eval;

import io.hydrahead.data.Split;
import io.hydrahead.data.TaskFamily;
import io.hydrahead.eval.Lengths;
import java.util.EnumSet;
import java.util.Set;

/**
 * One task at one length: what is asked of every model.
 *
 * @param task a {@link TaskFamily}'s name, or {@link #PERPLEXITY}
 * @param length tokens of text, question and answer together
 * @param haystacks texts
 * @param questions about one text, at most: families whose text answers only one ask one
 * @param split whose words, values and wordings are used
 */
public record CellSpec(String task, int length, int haystacks, int questions, Split split) {
  /** Next-token loss on held-out text, by position. */
  public static final String PERPLEXITY = "perplexity";

  /** Families whose answer has no one order: what is generated is searched for the words. */
  private static final Set<TaskFamily> COUNTED = EnumSet.of(TaskFamily.CWE, TaskFamily.FWE);

  /** Name of the cell's file in a model's folder {@code cells}. */
  public String file() {
    return task + "-" + Lengths.format(length) + ".json";
  }

  /** Whether it is scored by answers; otherwise by likelihood. */
  public boolean isRecall() {
    return !task.equals(PERPLEXITY);
  }

  /**
   * The generator's family.
   *
   * @throws io.hydrahead.tensor.InputException if there is none of that name
   */
  TaskFamily family() {
    return TaskFamily.of(task);
  }

  /** Whether answers are generated and searched; otherwise they are read and checked. */
  boolean isGenerated() {
    return isRecall() && COUNTED.contains(family());
  }

  /** Tokens that are read for it, roughly. */
  public long tokens() {
    return (long) haystacks * length;
  }
}
