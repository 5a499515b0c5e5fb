package io.hydrahead.eval;

import io.hydrahead.data.TextCodec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A language model as the evaluation sees it. */
public interface EvalModel {
  /** Name in the results. */
  String name();

  /** The model's tokenizer. */
  TextCodec codec();

  /**
   * Greedy continuation of {@code prompt}, of at most {@code maxNew} tokens; shorter where the
   * model ends the text.
   */
  int[] generate(int[] prompt, int maxNew);

  /** Natural logarithm of the probability of ids[i + 1] given ids[0…i], for i = 0 … length − 2. */
  double[] tokenLogLikelihoods(int[] ids);

  /**
   * Greedy continuations of each question behind the same context. Implementations may read the
   * context once.
   */
  default List<int[]> generate(Example example) {
    List<int[]> out = new ArrayList<>();
    for (Example.Question q : example.questions()) {
      out.add(generate(example.prompt(q), q.maxNew()));
    }
    return out;
  }

  /**
   * For each question, whether the model's first choice is the expected continuation's token i when
   * it has read the prompt and the expected tokens before i. The default generates, and so knows
   * nothing of what comes after a first mistake: it counts as wrong.
   */
  default List<boolean[]> greedyMatches(Example example) {
    List<boolean[]> out = new ArrayList<>();
    for (Example.Question q : example.questions()) {
      int[] expected = q.continuation();
      int[] made = generate(example.prompt(q), expected.length);
      int same = Arrays.mismatch(expected, made);
      boolean[] matches = new boolean[expected.length];
      Arrays.fill(matches, 0, same < 0 ? expected.length : same, true);
      out.add(matches);
    }
    return out;
  }
}
