package io.hydrahead.eval;

import java.util.Arrays;
import java.util.List;

/**
 * One prompt of a task as token ids: a context, and questions that are each asked on their own
 * after it. A prompt is {@code context} followed by {@code question.ids()}; where there is a single
 * question, the context may hold all of it.
 *
 * @param text the first prompt as text
 */
public record Example(int[] context, List<Question> questions, String text) {
  /**
   * A question.
   *
   * @param ids what follows the context; may be empty
   * @param answers the expected continuation in stretches, one for each reference
   * @param references strings that a right output contains
   * @param maxNew tokens that may be generated
   */
  public record Question(int[] ids, List<int[]> answers, List<String> references, int maxNew) {
    /** The whole expected continuation. */
    public int[] continuation() {
      return answers.stream().flatMapToInt(Arrays::stream).toArray();
    }
  }

  /** Ids of the prompt of {@code question}. */
  public int[] prompt(Question question) {
    int[] out = Arrays.copyOf(context, context.length + question.ids().length);
    System.arraycopy(question.ids(), 0, out, context.length, question.ids().length);
    return out;
  }

  /** Tokens of the longest prompt together with what may follow it. */
  public int tokens() {
    int most = 0;
    for (Question q : questions) {
      most = Math.max(most, q.ids().length + Math.max(q.maxNew(), q.continuation().length));
    }
    return context.length + most;
  }
}
