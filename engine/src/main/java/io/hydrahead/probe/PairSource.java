package io.hydrahead.probe;

import io.hydrahead.data.Dice;
import io.hydrahead.data.Fit;
import io.hydrahead.data.Split;
import io.hydrahead.data.TaskFamily;
import io.hydrahead.data.TaskGenerator;
import io.hydrahead.data.TaskOptions;
import io.hydrahead.data.TaskStyle;
import io.hydrahead.data.TaskText;
import io.hydrahead.data.TextCodec;
import io.hydrahead.tensor.InputException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/**
 * Counterfactual pairs from the needle tasks: three single-key and two multi-key sub-probes, from
 * words, values and wordings that neither training nor the test uses ({@link Split#PROBE}).
 *
 * @param length tokens of a prompt, at most
 * @param pairs pairs a sub-probe
 */
public record PairSource(TextCodec codec, TaskStyle style, int length, int pairs, long seed) {
  /** The five sub-probes: three with a single key, two with several. */
  public static final List<TaskFamily> SUB_PROBES =
      List.of(
          TaskFamily.NIAH_SINGLE_1,
          TaskFamily.NIAH_SINGLE_2,
          TaskFamily.NIAH_SINGLE_3,
          TaskFamily.NIAH_MULTIKEY_1,
          TaskFamily.NIAH_MULTIKEY_2);

  private static final int TRIES = 20;
  private static final double CLOSENESS = 0.85;

  /**
   * Pairs by sub-probe; a sub-probe of which no example fits the length is left out.
   *
   * @throws InputException if none is left
   */
  public Map<String, List<CounterfactualPair>> make() {
    Map<String, List<CounterfactualPair>> all = new LinkedHashMap<>();
    int smallest = Integer.MAX_VALUE;
    for (TaskFamily family : SUB_PROBES) {
      TaskGenerator generator = family.generator(TaskOptions.of(style, Split.PROBE));
      List<CounterfactualPair> made = new ArrayList<>();
      for (int i = 0; i < pairs * TRIES && made.size() < pairs; i++) {
        Dice dice = new Dice(seed, family.ordinal(), i);
        Fit<TaskText> fit = Fit.largest(generator, dice, length, CLOSENESS, t -> t, this::tokens);
        if (fit instanceof Fit.DoesNotFit<TaskText> no) {
          smallest = Math.min(smallest, no.smallest());
          break;
        }
        pair(((Fit.Found<TaskText>) fit).value(), i).ifPresent(made::add);
      }
      if (!made.isEmpty()) {
        all.put(family.id(), made);
      }
    }
    if (all.isEmpty()) {
      throw new InputException(
          "no needle prompt of the probe fits "
              + length
              + " tokens; the smallest takes "
              + smallest
              + ": use --length "
              + smallest
              + " or more");
    }
    return all;
  }

  private int tokens(TaskText text) {
    TaskText.Ask ask = text.asks().getFirst();
    return codec.encode(text.context() + ask.question() + ask.continuation()).length;
  }

  private Optional<CounterfactualPair> pair(TaskText text, int index) {
    TaskText.Ask ask = text.asks().getFirst();
    String answer = ask.references().getFirst();
    String continuation = ask.answers().getFirst();
    int at = continuation.indexOf(answer);
    if (at < 0) {
      return Optional.empty();
    }
    return CounterfactualPair.of(
        text.context() + ask.question(),
        continuation.substring(0, at),
        answer,
        codec::encode,
        new Random(seed * 1_000_003 + index));
  }
}
