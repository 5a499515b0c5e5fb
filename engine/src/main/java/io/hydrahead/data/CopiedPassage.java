package io.hydrahead.data;

import java.util.List;

/** A passage of the haystack, a separator, and the passage again. Size = units of the haystack. */
final class CopiedPassage implements TaskGenerator {
  private final TaskOptions options;

  CopiedPassage(TaskOptions options) {
    this.options = options;
  }

  @Override
  public int smallest() {
    return 1;
  }

  @Override
  public TaskText build(int size, Dice dice) {
    Haystack hay = options.haystack() == Haystack.NOISE ? Haystack.PROSE : options.haystack();
    String passage = String.join(hay.joint(), hay.units(size, dice.fork(1)));
    return new TaskText(
        passage,
        Part.FIRST_COPY,
        List.of(
            new TaskText.Ask(
                "\n" + TextCodec.END_OF_TEXT,
                List.of(passage),
                List.of(passage),
                Part.SECOND_COPY)));
  }
}
