package io.hydrahead.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Common words extraction: a numbered list in which ten words (three in short style) occur more
 * often than the others. Size = different words. RULER puts one solved example first.
 */
final class CommonWords implements TaskGenerator {
  /** Shares of training lists whose other words occur once, twice and three times. */
  private static final double[] SELDOM = {0.5, 0.3, 0.2};

  private final TaskOptions options;
  private final int common;

  CommonWords(TaskOptions options) {
    this.options = options;
    common = options.ruler() || options.longContext() ? 10 : 3;
  }

  /** In varied style enough other words that they, too, fill most of the list. */
  @Override
  public int smallest() {
    return common + (options.varied() ? 5 * common : 1);
  }

  @Override
  public TaskText build(int size, Dice dice) {
    boolean big = options.longContext();
    String shot = "";
    if (options.ruler()) {
      TaskText e = big ? list(40, 10, 3, dice.fork(20)) : list(20, 3, 1, dice.fork(20));
      shot = e.transcript() + "\n";
    }
    int seldom = big ? seldom(dice.fork(21)) : 1;
    TaskText asked = list(size, big ? 10 * seldom : 6, seldom, dice);
    return new TaskText(shot + asked.context(), Part.FILLER, asked.asks());
  }

  /**
   * How often the other words occur; the common ones occur ten times as often. Varied training text
   * mostly has shorter lists, of once and twice, so that more of them are learnt from.
   */
  private int seldom(Dice dice) {
    if (!options.varied() || options.split() != Split.TRAIN) {
      return 3;
    }
    return 1 + dice.weighted(SELDOM);
  }

  private TaskText list(int words, int often, int seldom, Dice dice) {
    List<String> frequent = options.words().single(common, options.invented(), dice.fork(1));
    List<String> rare = options.words().single(words, options.invented(), dice.fork(2));
    rare.removeAll(frequent);
    List<String> all = new ArrayList<>();
    for (String w : frequent) {
      all.addAll(java.util.Collections.nCopies(often, w));
    }
    for (String w : rare.subList(0, words - common)) {
      all.addAll(java.util.Collections.nCopies(seldom, w));
    }
    dice.fork(3).shuffle(all);
    StringBuilder context = new StringBuilder();
    for (int i = 0; i < all.size(); i++) {
      context.append(i == 0 ? "" : " ").append(i + 1).append(". ").append(all.get(i));
    }
    String template =
        options.varied()
            ? Wordings.commonWords(options.split(), dice.fork(9))
            : options.ruler()
                ? Templates.CWE + Templates.CWE_ANSWER
                : Templates.SHORT_CWE + Templates.SHORT_CWE_ANSWER;
    Map<String, String> values =
        Map.of("context", context.toString(), "num_cw", Integer.toString(common));
    List<String> answers = new ArrayList<>();
    for (int i = 0; i < common; i++) {
      answers.add(" " + (i + 1) + ". " + frequent.get(i));
    }
    return new TaskText(
        Templates.fill(Templates.context(template), values),
        Part.FILLER,
        List.of(
            new TaskText.Ask(
                Templates.fill(Templates.question(template), values),
                answers,
                frequent,
                Part.ANSWER)));
  }
}
