package io.hydrahead.data;

/**
 * What a task's text looks like, besides its size.
 *
 * @param style wording
 * @param split whose words are used
 * @param haystack what needles hide in where the task leaves it open
 * @param keys keys of a needle task; 0 for the task's own number
 * @param asks largest number of questions about one context
 * @param digits of a number, 1 to 18
 * @param invented share of keys that are invented words rather than listed ones, in short style
 * @param longContext whether the text is for 4,096 tokens or more: RULER's word counts depend on it
 */
public record TaskOptions(
    TaskStyle style,
    Split split,
    Haystack haystack,
    int keys,
    int asks,
    int digits,
    double invented,
    boolean longContext) {

  /** One question, seven digits, the task's own number of keys, prose as haystack. */
  public static TaskOptions of(TaskStyle style, Split split) {
    return new TaskOptions(style, split, Haystack.PROSE, 0, 1, 7, 0, false);
  }

  public TaskOptions withHaystack(Haystack value) {
    return new TaskOptions(style, split, value, keys, asks, digits, invented, longContext);
  }

  public TaskOptions withKeys(int value) {
    return new TaskOptions(style, split, haystack, value, asks, digits, invented, longContext);
  }

  public TaskOptions withAsks(int value) {
    return new TaskOptions(style, split, haystack, keys, value, digits, invented, longContext);
  }

  public TaskOptions withDigits(int value) {
    return new TaskOptions(style, split, haystack, keys, asks, value, invented, longContext);
  }

  public TaskOptions withInvented(double value) {
    return new TaskOptions(style, split, haystack, keys, asks, digits, value, longContext);
  }

  public TaskOptions withLongContext(boolean value) {
    return new TaskOptions(style, split, haystack, keys, asks, digits, invented, value);
  }

  Words words() {
    return Words.of(split);
  }

  boolean ruler() {
    return style == TaskStyle.RULER;
  }

  boolean varied() {
    return style == TaskStyle.VARIED;
  }
}
