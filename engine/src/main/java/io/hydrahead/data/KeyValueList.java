package io.hydrahead.data;

import java.util.ArrayList;
import java.util.List;

/**
 * Lines {@code key: value}, then keys asked again in another order: every key in a key–value list,
 * up to the options' number of questions in multi-query associative recall (MQAR; Arora et al.,
 * "Zoology", 2023). Size = pairs.
 */
final class KeyValueList implements TaskGenerator {
  private final TaskFamily family;
  private final TaskOptions options;

  KeyValueList(TaskFamily family, TaskOptions options) {
    this.family = family;
    this.options = options;
  }

  @Override
  public int smallest() {
    return 2;
  }

  @Override
  public TaskText build(int size, Dice dice) {
    Words words = options.words();
    List<String> keys = words.single(size, options.invented(), dice.fork(1));
    List<String> values = new ArrayList<>(size);
    Dice draw = dice.fork(2);
    List<String> pool = words.single(Math.clamp(size, 16, 4096), options.invented(), dice.fork(3));
    for (int i = 0; i < size; i++) {
      values.add(draw.pick(pool));
    }
    StringBuilder context = new StringBuilder();
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      context.append(i == 0 ? "" : "\n").append(keys.get(i)).append(": ").append(values.get(i));
      order.add(i);
    }
    dice.fork(4).shuffle(order);
    int asked = family == TaskFamily.KEY_VALUE ? size : Math.min(size, options.asks());
    List<TaskText.Ask> asks = new ArrayList<>();
    for (int i : order.subList(0, asked)) {
      asks.add(
          new TaskText.Ask(
              "\n" + keys.get(i) + ":",
              List.of(" " + values.get(i)),
              List.of(values.get(i)),
              Part.KEY_VALUE));
    }
    return new TaskText(context.toString(), Part.FILLER, asks);
  }
}
