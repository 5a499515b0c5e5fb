package io.hydrahead.model;

import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Map;

/**
 * Changes the logits of one sequence before a token is chosen: a bias of single tokens, and
 * penalties for what stands in the text already. With c(i) how often token i was generated,
 *
 * <pre>
 *   l(i) ← l(i) / r where l(i) &gt; 0, else l(i) · r     for every i in prompt or reply
 *   l(i) ← l(i) + bias(i) − c(i) · frequency − [c(i) &gt; 0] · presence
 * </pre>
 *
 * The first line is that of CTRL (Keskar et al., arXiv:1909.05858), the second that of OpenAI's
 * API. After the first call nothing is allocated.
 */
public final class LogitEdits {
  /**
   * @param presence once for every token generated, −2 … 2
   * @param frequency for every time that it was, −2 … 2
   * @param repetition r above, in (0, 10]; 1 changes nothing
   * @param bias what is added, by token id
   */
  public record Settings(
      double presence, double frequency, double repetition, Map<Integer, Float> bias) {
    /** Changes nothing. */
    public static final Settings NONE = new Settings(0, 0, 1, Map.of());

    public Settings {
      bias = Map.copyOf(bias);
      if (!(Math.abs(presence) <= 2)) {
        throw new InputException("presence penalty must be between -2 and 2, not " + presence);
      }
      if (!(Math.abs(frequency) <= 2)) {
        throw new InputException("frequency penalty must be between -2 and 2, not " + frequency);
      }
      if (!(repetition > 0 && repetition <= 10)) {
        throw new InputException(
            "repetition penalty must be above 0 and at most 10, not " + repetition);
      }
    }
  }

  private final Settings settings;
  private final int[] generated;
  private final boolean[] seen;
  private final int[] biased;
  private final float[] bias;
  private final boolean penalises;
  private Tensor edited;

  /** Ids that were seen, in order of their first appearance. */
  private final int[] touched;

  private int touchedCount;

  /**
   * @param vocabSize V; ids beyond it are refused
   */
  public LogitEdits(Settings settings, int vocabSize) {
    this.settings = settings;
    penalises = settings.presence() != 0 || settings.frequency() != 0 || settings.repetition() != 1;
    generated = new int[penalises ? vocabSize : 0];
    seen = new boolean[penalises ? vocabSize : 0];
    touched = new int[penalises ? vocabSize : 0];
    biased = settings.bias().keySet().stream().mapToInt(i -> i).toArray();
    bias = new float[biased.length];
    for (int i = 0; i < biased.length; i++) {
      if (biased[i] < 0 || biased[i] >= vocabSize) {
        throw new InputException(
            "logit bias names token " + biased[i] + ", the vocabulary has " + vocabSize);
      }
      bias[i] = settings.bias().get(biased[i]);
    }
  }

  /** Says what the prompt is made of. */
  public void prompt(int[] ids) {
    if (penalises && settings.repetition() != 1) {
      for (int id : ids) {
        touch(id);
      }
    }
  }

  /** Says that {@code id} was generated. */
  public void generated(int id) {
    if (penalises) {
      generated[id]++;
      touch(id);
    }
  }

  private void touch(int id) {
    if (!seen[id]) {
      seen[id] = true;
      touched[touchedCount++] = id;
    }
  }

  /**
   * The logits to choose from: {@code logits} [V] itself, or an edited copy that is valid until the
   * next call.
   */
  public Tensor apply(Tensor logits) {
    if (biased.length == 0 && touchedCount == 0) {
      return logits;
    }
    if (edited == null) {
      edited = Tensor.allocate(Arena.ofAuto(), logits.size(0));
    }
    edited.copyFrom(logits);
    for (int i = 0; i < touchedCount; i++) {
      penalise(touched[i]);
    }
    for (int i = 0; i < biased.length; i++) {
      edited.set(biased[i], edited.get(biased[i]) + bias[i]);
    }
    return edited;
  }

  private void penalise(int id) {
    double l = edited.get(id);
    l = l > 0 ? l / settings.repetition() : l * settings.repetition();
    if (generated[id] > 0) {
      l -= generated[id] * settings.frequency() + settings.presence();
    }
    edited.set(id, (float) l);
  }
}
