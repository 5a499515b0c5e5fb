package io.hydrahead.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A phone book, {@code First Last: number} a line, and one or more people's numbers asked for
 * (after Jelassi et al., "Repeat After Me", 2024). Size = people.
 */
final class Phonebook implements TaskGenerator {
  private final TaskOptions options;

  Phonebook(TaskOptions options) {
    this.options = options;
  }

  @Override
  public int smallest() {
    return 2;
  }

  @Override
  public int largest() {
    return options.words().differentNumbers(options.digits());
  }

  @Override
  public TaskText build(int size, Dice dice) {
    List<String> names = options.words().names(size, dice.fork(1));
    List<String> numbers = options.words().numbers(size, options.digits(), dice.fork(2));
    StringBuilder book = new StringBuilder();
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      book.append(i == 0 ? "" : "\n").append(names.get(i)).append(": ").append(numbers.get(i));
      order.add(i);
    }
    dice.fork(3).shuffle(order);
    String template =
        options.varied()
            ? Wordings.phonebook(options.split(), dice.fork(9))
            : options.ruler() ? Templates.PHONEBOOK : Templates.SHORT_PHONEBOOK;
    List<TaskText.Ask> asks = new ArrayList<>();
    for (int i : order.subList(0, Math.min(size, options.asks()))) {
      asks.add(
          new TaskText.Ask(
              Templates.fill(Templates.question(template), Map.of("query", names.get(i))),
              List.of(" " + numbers.get(i)),
              List.of(numbers.get(i)),
              Part.ANSWER));
    }
    String head = Templates.fill(Templates.context(template), Map.of("context", book.toString()));
    return new TaskText(head, Part.FILLER, asks);
  }
}
