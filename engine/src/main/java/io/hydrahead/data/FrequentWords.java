package io.hydrahead.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Frequent words extraction: invented words whose counts follow a zeta distribution with exponent
 * 2; the most frequent rank is written as dots and ignored, the next three are asked for. Size =
 * the number that the distribution is multiplied by.
 */
final class FrequentWords implements TaskGenerator {
  private static final double ZETA_2 = Math.PI * Math.PI / 6;

  private final TaskOptions options;

  FrequentWords(TaskOptions options) {
    this.options = options;
  }

  /** From here on the fourth rank is always rarer than the third. */
  @Override
  public int smallest() {
    return 34;
  }

  @Override
  public TaskText build(int size, Dice dice) {
    int ranks = Math.max(5, (int) Math.sqrt(size / ZETA_2));
    List<String> words =
        options.ruler()
            ? options.words().letters(ranks, 6, 'a', dice.fork(1))
            : options.words().invented(ranks, dice.fork(1));
    List<String> all = new ArrayList<>();
    for (int k = 1; k <= ranks; k++) {
      int count = (int) (size / ((double) k * k * ZETA_2));
      all.addAll(java.util.Collections.nCopies(count, k == 1 ? "..." : words.get(k - 1)));
    }
    dice.fork(2).shuffle(all);
    String template =
        options.varied()
            ? Wordings.frequentWords(options.split(), dice.fork(9))
            : options.ruler()
                ? Templates.FWE + Templates.FWE_ANSWER
                : Templates.SHORT_FWE + Templates.SHORT_FWE_ANSWER;
    Map<String, String> values = Map.of("context", String.join(" ", all));
    List<String> top = words.subList(1, 4);
    return new TaskText(
        Templates.fill(Templates.context(template), values),
        Part.FILLER,
        List.of(
            new TaskText.Ask(
                Templates.question(template),
                Needles.separated(top, options.ruler() ? ", " : " "),
                top,
                Part.ANSWER)));
  }
}
