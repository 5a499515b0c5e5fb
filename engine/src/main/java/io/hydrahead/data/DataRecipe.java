package io.hydrahead.data;

import io.hydrahead.json.Fields;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * What training rows are made of. Every field has a default, so that {@code {}} is a recipe:
 *
 * <pre>{@code
 * {
 *   "text": [{"files": "../engine/src/**\/*.java", "share": 1}, {"generated": true, "share": 1}],
 *   "plain": 0.3,                             share of rows that are plain text only
 *   "families": {"niah_single_1": 2, "key_value": 3, "copy": 1},
 *   "styles": {"ruler": 1, "short": 1, "varied": 0},
 *   "haystacks": {"noise": 0, "prose": 1, "text": 1},
 *   "min_tokens": 64, "full": 0.25,           lengths of examples: log-uniform up to the row,
 *                                             this share of them as long as the row
 *   "needles": [1, 16], "questions": [1, 4], "digits": 7, "invented_words": 0.3,
 *   "weights": {"answer": 4, "key_value": 3, "first_copy": 0.5, "second_copy": 1,
 *               "filler": 0.3, "text": 1}
 * }
 * }</pre>
 */
public final class DataRecipe {
  /** Associative recall asks this many times as many questions about one context. */
  private static final int MQAR_QUESTIONS = 4;

  private final TextMix text;
  private final double plain;
  private final double[] families;
  private final double[] styles;
  private final double[] haystacks;
  private final int minTokens;
  private final double full;
  private final Range needles;
  private final Range questions;
  private final int digits;
  private final double invented;
  private final Map<Part, Float> weights;
  private final String canonical;

  /** Whole numbers from {@code low} to {@code high}, drawn log-uniformly. */
  public record Range(int low, int high) {
    int draw(Dice dice) {
      return dice.logRange(low, high);
    }
  }

  private DataRecipe(Fields f) {
    canonical = f.node().toString();
    text = TextMix.open(f.has("text") ? f.objects("text") : List.of());
    plain = f.number("plain", 0, 1, 0.3);
    families = shares(f, "families", TaskFamily.class, true);
    styles = shares(f, "styles", TaskStyle.class, false);
    haystacks = shares(f, "haystacks", HaystackKind.class, false);
    minTokens = f.integer("min_tokens", 1, 1 << 24, 64);
    full = f.number("full", 0, 1, 0.25);
    needles = range(f, "needles", new Range(1, 16));
    questions = range(f, "questions", new Range(1, 4));
    digits = f.integer("digits", 1, 18, 7);
    invented = f.number("invented_words", 0, 1, 0.3);
    weights = weights(f.objectOrEmpty("weights"));
    f.end();
  }

  /**
   * Reads and checks a recipe object and opens the texts it names.
   *
   * @throws io.hydrahead.tensor.InputException naming the field that is wrong, or the source that
   *     is missing or has no text
   */
  public static DataRecipe read(Fields fields) {
    return new DataRecipe(fields);
  }

  /** A recipe with every default. */
  public static DataRecipe defaults() {
    return read(Fields.parse("{}", "default data recipe", java.nio.file.Path.of("")));
  }

  enum HaystackKind {
    NOISE,
    PROSE,
    TEXT
  }

  private static <E extends Enum<E>> double[] shares(
      Fields f, String name, Class<E> type, boolean absentIsZero) {
    E[] all = type.getEnumConstants();
    double[] out = new double[all.length];
    Fields given = f.objectOrEmpty(name);
    double fallback = f.has(name) && absentIsZero ? 0 : 1;
    double sum = 0;
    for (E e : all) {
      double own = e == TaskStyle.VARIED ? 0 : fallback;
      out[e.ordinal()] = given.number(e.name().toLowerCase(java.util.Locale.ROOT), 0, 1e6, own);
      sum += out[e.ordinal()];
    }
    given.end();
    if (sum == 0) {
      throw f.error(name, "leaves nothing to choose from; give one of them a share above 0");
    }
    return out;
  }

  private static Range range(Fields f, String name, Range fallback) {
    if (!f.has(name)) {
      return fallback;
    }
    var node = f.node().get(name);
    if (!node.isArray()
        || node.size() != 2
        || !node.get(0).isIntegralNumber()
        || !node.get(1).isIntegralNumber()) {
      throw f.error(name, "must be a list of two whole numbers, such as [1, 8]");
    }
    int low = node.get(0).asInt();
    int high = node.get(1).asInt();
    if (low < 1 || high < low || high > 1024) {
      throw f.error(name, "must hold 1 ≤ low ≤ high ≤ 1024");
    }
    return new Range(low, high);
  }

  private static Map<Part, Float> weights(Fields f) {
    Map<Part, Float> out = new EnumMap<>(Part.class);
    out.put(Part.FILLER, (float) f.number("filler", 0, 1e3, 0.3));
    out.put(Part.ANSWER, (float) f.number("answer", 0, 1e3, 4));
    out.put(Part.KEY_VALUE, (float) f.number("key_value", 0, 1e3, 3));
    out.put(Part.FIRST_COPY, (float) f.number("first_copy", 0, 1e3, 0.5));
    out.put(Part.SECOND_COPY, (float) f.number("second_copy", 0, 1e3, 1));
    out.put(Part.TEXT, (float) f.number("text", 0, 1e3, 1));
    f.end();
    return out;
  }

  /** The plain-text sources. */
  public PlainText text() {
    return text;
  }

  /** Weight of a part in the loss. */
  public float weight(Part part) {
    return weights.get(part);
  }

  /** Hash-like text of every setting and of every source's content. */
  public String fingerprint() {
    return canonical + "|" + text.fingerprint();
  }

  /** What a user should know about the sources. */
  public List<String> notices() {
    return text.notices();
  }

  int minTokens() {
    return minTokens;
  }

  boolean drawPlain(Dice dice) {
    return dice.chance(plain);
  }

  TaskFamily drawFamily(Dice dice) {
    return TaskFamily.values()[dice.weighted(families)];
  }

  /** Tokens of the next example, of {@code room} there are. */
  int drawLength(int room, Dice dice) {
    return dice.chance(full) ? room : dice.logRange(Math.min(minTokens, room), room);
  }

  TaskOptions drawOptions(TaskFamily family, Split split, int tokens, int context, Dice dice) {
    TaskStyle style = TaskStyle.values()[dice.weighted(styles)];
    Haystack haystack =
        switch (HaystackKind.values()[dice.weighted(haystacks)]) {
          case NOISE -> Haystack.NOISE;
          case PROSE -> Haystack.PROSE;
          case TEXT -> new TextHaystack(text, split);
        };
    int most = Math.max(1, tokens / 48);
    int keys = Math.min(needles.draw(dice), most);
    int asks = questions.draw(dice) * (family == TaskFamily.MQAR ? MQAR_QUESTIONS : 1);
    if (style == TaskStyle.VARIED && family == TaskFamily.NIAH_MULTIVALUE) {
      asks = Math.clamp(most / keys, 1, asks);
    }
    return new TaskOptions(style, split, haystack, keys, asks, digits, invented, context >= 4096);
  }
}
