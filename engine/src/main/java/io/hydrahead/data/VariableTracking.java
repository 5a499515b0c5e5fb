package io.hydrahead.data;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;

/**
 * Variable tracking: a chain of assignments hidden in noise lines; every variable with the value is
 * asked for. Size = noise lines. RULER's wording begins with a solved example of its own, and its
 * variables are random letters; in varied style they are words, and there are as many chains as
 * questions, but never so few that naming every variable would be an answer.
 */
final class VariableTracking implements TaskGenerator {
  private static final int EXAMPLE_LINES = 10;
  private static final int FEWEST_CHAINS = 3;

  private final TaskOptions options;
  private final int hops;

  VariableTracking(TaskOptions options) {
    this.options = options;
    hops = options.ruler() || options.longContext() ? 4 : 2;
  }

  @Override
  public int smallest() {
    return 0;
  }

  @Override
  public TaskText build(int size, Dice dice) {
    if (options.varied()) {
      return varied(size, dice);
    }
    if (!options.ruler()) {
      TaskText bare = chain(size, 3, Templates.SHORT_VT + Templates.SHORT_VT_ANSWER, dice);
      TaskText.Ask ask = bare.asks().get(0);
      return new TaskText(
          bare.context(),
          Part.FILLER,
          List.of(
              new TaskText.Ask(
                  ask.question(),
                  Needles.separated(ask.references(), " "),
                  ask.references(),
                  Part.ANSWER)));
    }
    String template = Templates.VT + Templates.VT_ANSWER;
    TaskText example = chain(EXAMPLE_LINES, 3, template, dice.fork(20));
    TaskText.Ask solved = example.asks().get(0);
    String shot =
        example.context()
            + solved.question()
            + " "
            + String.join(" ", solved.references())
            + "\n\n";
    TaskText asked = chain(size, 5, template, dice);
    TaskText.Ask ask = asked.asks().get(0);
    List<String> answers = new ArrayList<>();
    for (String v : ask.references()) {
      answers.add((answers.isEmpty() ? "" : " ") + v);
    }
    return new TaskText(
        shot + asked.context(),
        Part.FILLER,
        List.of(new TaskText.Ask(ask.question(), answers, ask.references(), Part.ANSWER)));
  }

  private TaskText varied(int lines, Dice dice) {
    int chains = Math.max(FEWEST_CHAINS, options.asks());
    String assignment = Wordings.assignment(options.split(), dice.fork(9));
    String question = Wordings.variables(options.split(), dice.fork(10));
    String keyword = assignment.substring(0, assignment.indexOf(' '));
    List<String> vars =
        options.words().single(chains * (hops + 1), options.invented(), dice.fork(1));
    List<String> values = options.words().numbers(chains, 5, dice.fork(2));
    List<Integer> turns = new ArrayList<>();
    List<Deque<String>> told = new ArrayList<>();
    List<TaskText.Ask> asks = new ArrayList<>();
    for (int c = 0; c < chains; c++) {
      List<String> chain = vars.subList(c * (hops + 1), (c + 1) * (hops + 1));
      Deque<String> lineup = new ArrayDeque<>();
      for (int j = 0; j <= hops; j++) {
        String from = j == 0 ? values.get(c) : keyword + " " + chain.get(j - 1);
        lineup.add(Templates.fill(assignment, Map.of("name", chain.get(j), "value", from)));
        turns.add(c);
      }
      told.add(lineup);
      asks.add(
          new TaskText.Ask(
              Templates.fill(question, Map.of("query", values.get(c))),
              Needles.separated(chain, " "),
              chain,
              Part.ANSWER));
    }
    dice.fork(5).shuffle(turns);
    List<String> hidden = turns.stream().map(c -> told.get(c).remove()).toList();
    List<String> noise = Haystack.NOISE.units(lines, dice.fork(3));
    String context = Needles.hide(hidden, noise, "\n", dice.fork(4));
    return new TaskText(context, Part.FILLER, asks.subList(0, Math.max(1, options.asks())));
  }

  private TaskText chain(int lines, int letters, String template, Dice dice) {
    List<String> vars = options.words().letters(hops + 1, letters, 'A', dice.fork(1));
    String value = options.words().numbers(1, 5, dice.fork(2)).getFirst();
    List<String> chain = new ArrayList<>();
    chain.add("VAR " + vars.get(0) + " = " + value);
    for (int j = 0; j < hops; j++) {
      chain.add("VAR " + vars.get(j + 1) + " = VAR " + vars.get(j) + " ");
    }
    String context =
        Needles.hide(chain, Haystack.NOISE.units(lines, dice.fork(3)), "\n", dice.fork(4))
            .replace(". \n", ".\n");
    Map<String, String> values =
        Map.of("context", context, "query", value, "num_v", Integer.toString(hops + 1));
    return new TaskText(
        Templates.fill(Templates.context(template), values),
        Part.FILLER,
        List.of(
            new TaskText.Ask(
                Templates.fill(Templates.question(template), values), vars, vars, Part.ANSWER)));
  }
}
