package io.hydrahead.data;

import java.util.List;

/**
 * One example of a task as text: a context and what is asked about it.
 *
 * @param context everything before the first question
 * @param kind of the context
 * @param asks the questions, one after the other in training, each on its own in evaluation
 */
public record TaskText(String context, Part kind, List<Ask> asks) {
  /**
   * One question.
   *
   * @param question what is appended to the context; the model goes on from its last character
   * @param answers the expected continuation in stretches, one for each thing asked for
   * @param references the strings that a right output contains, in the order of {@code answers}
   * @param kind of the answer
   */
  public record Ask(String question, List<String> answers, List<String> references, Part kind) {
    /** The whole expected continuation. */
    public String continuation() {
      return String.join("", answers);
    }
  }

  /** Context and every question with its answer, as a training row shows them. */
  public String transcript() {
    StringBuilder out = new StringBuilder(context);
    for (Ask a : asks) {
      out.append(a.question()).append(a.continuation());
    }
    return out.toString();
  }
}
