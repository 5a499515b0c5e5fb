package io.hydrahead.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Needle in a haystack, RULER's eight settings (scripts/synthetic.yaml). Size = haystack units.
 * RULER hides one to four keys with one or four values each, in noise lines, in an essay, or among
 * other needles. In varied style there are as many keys as questions, or more.
 */
final class Needles implements TaskGenerator {
  private enum Kind {
    WORDS,
    NUMBERS,
    UUIDS
  }

  private final TaskOptions options;
  private final Kind keyKind;
  private final Kind valueKind;
  private final int keys;
  private final int valuesPerKey;
  private final int queried;
  private final int questions;
  private final boolean amongNeedles;
  private final Haystack haystack;

  Needles(TaskFamily family, TaskOptions options) {
    this.options = options;
    keyKind = family == TaskFamily.NIAH_MULTIKEY_3 ? Kind.UUIDS : Kind.WORDS;
    valueKind =
        family == TaskFamily.NIAH_SINGLE_3 || family == TaskFamily.NIAH_MULTIKEY_3
            ? Kind.UUIDS
            : Kind.NUMBERS;
    amongNeedles = family == TaskFamily.NIAH_MULTIKEY_2 || family == TaskFamily.NIAH_MULTIKEY_3;
    int own = family == TaskFamily.NIAH_MULTIKEY_1 || family == TaskFamily.NIAH_MULTIQUERY ? 4 : 1;
    boolean severalKeys = own > 1 || amongNeedles;
    int given = severalKeys && options.keys() > 0 ? options.keys() : own;
    boolean several = family == TaskFamily.NIAH_MULTIQUERY;
    boolean single = !severalKeys && family != TaskFamily.NIAH_MULTIVALUE;
    keys = options.varied() && !single ? Math.max(given, options.asks()) : given;
    valuesPerKey =
        family != TaskFamily.NIAH_MULTIVALUE ? 1 : options.keys() == 0 ? 4 : options.keys();
    queried = several ? options.varied() ? Math.min(given, 4) : keys : 1;
    questions =
        several && !options.varied()
            ? 1
            : several ? options.asks() : Math.min(options.asks(), keys);
    haystack = family == TaskFamily.NIAH_SINGLE_1 ? Haystack.NOISE : options.haystack();
  }

  @Override
  public int smallest() {
    return amongNeedles ? 1 : 0;
  }

  @Override
  public int largest() {
    int room = options.words().differentNumbers(options.digits()) - keys * valuesPerKey;
    return amongNeedles && valueKind == Kind.NUMBERS ? Math.max(1, room) : Integer.MAX_VALUE;
  }

  @Override
  public TaskText build(int size, Dice dice) {
    Wording wording = options.varied() ? varied(dice.fork(9)) : rulers();
    List<String> key = make(keyKind, keys, dice.fork(1));
    List<String> value = make(valueKind, keys * valuesPerKey, dice.fork(2));
    List<String> needles = new ArrayList<>();
    for (int i = 0; i < value.size(); i++) {
      needles.add(wording.needle(key.get(i / valuesPerKey), value.get(i)));
    }
    dice.fork(3).shuffle(needles);
    List<String> units =
        amongNeedles
            ? distractors(wording, size, key, value, dice)
            : haystack.units(size, dice.fork(4));
    String context = hide(needles, units, amongNeedles ? "\n" : haystack.joint(), dice.fork(5));
    return asked(wording, context, key, value, dice.fork(6));
  }

  /** Puts each needle at a place drawn evenly over the haystack. */
  static String hide(List<String> needles, List<String> units, String joint, Dice dice) {
    double[] depths = new double[needles.size()];
    for (int i = 0; i < depths.length; i++) {
      depths[i] = dice.unit();
    }
    Arrays.sort(depths);
    StringBuilder out = new StringBuilder();
    int next = 0;
    for (int i = 0; i <= units.size(); i++) {
      while (next < depths.length && depths[next] * (units.size() + 1) < i + 1) {
        out.append(out.isEmpty() ? "" : joint).append(needles.get(next++));
      }
      if (i < units.size()) {
        out.append(out.isEmpty() ? "" : joint).append(units.get(i));
      }
    }
    return out.toString();
  }

  private List<String> distractors(
      Wording wording, int n, List<String> key, List<String> value, Dice dice) {
    List<String> otherKeys = others(keyKind, n, key, dice.fork(7));
    List<String> otherValues = others(valueKind, n, value, dice.fork(8));
    List<String> out = new ArrayList<>(n);
    for (int i = 0; i < n; i++) {
      out.add(wording.needle(otherKeys.get(i), otherValues.get(i)));
    }
    return out;
  }

  private List<String> others(Kind kind, int n, List<String> taken, Dice dice) {
    List<String> made = make(kind, n + taken.size(), dice);
    made.removeAll(taken);
    return made;
  }

  private List<String> make(Kind kind, int n, Dice dice) {
    return switch (kind) {
      case NUMBERS -> options.words().numbers(n, options.digits(), dice);
      case UUIDS ->
          options.ruler() ? options.words().uuids(n, dice) : options.words().codes(n, dice);
      case WORDS ->
          options.ruler()
              ? options.words().compound(n, dice)
              : options.words().single(n, options.invented(), dice);
    };
  }

  /**
   * What a text says.
   *
   * @param head before the context
   * @param needle with places {@code key} and {@code value}
   * @param question with the place {@code query}
   */
  private record Wording(String head, String needle, String question) {
    String needle(String key, String value) {
      return Templates.fill(needle, Map.of("key", key, "value", value));
    }

    String question(String query) {
      return Templates.fill(question, Map.of("query", query));
    }
  }

  private boolean one() {
    return queried * valuesPerKey == 1;
  }

  private Wording rulers() {
    String types = valueKind == Kind.NUMBERS ? "numbers" : "uuids";
    String asked =
        (options.ruler() ? Templates.NIAH : Templates.SHORT_NIAH) + Templates.NIAH_ANSWER;
    if (one()) {
      asked = Templates.singular(asked);
    }
    String place = "{type_needle_v}";
    asked = asked.replace(place, one() ? types.substring(0, types.length() - 1) : types);
    int split = asked.indexOf("{context}");
    return new Wording(
        asked.substring(0, split),
        Templates.NEEDLE.replace(place, types),
        asked.substring(split + "{context}".length()));
  }

  private Wording varied(Dice dice) {
    Wordings.Needle n = Wordings.needle(options.split(), valueKind == Kind.UUIDS, one(), dice);
    return new Wording("", n.sentence(), n.question());
  }

  private TaskText asked(
      Wording wording, String context, List<String> key, List<String> value, Dice dice) {
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < keys; i++) {
      order.add(i);
    }
    dice.shuffle(order);
    List<TaskText.Ask> asks = new ArrayList<>();
    for (int a = 0; a < questions; a++) {
      if (queried > 1 && a > 0) {
        dice.shuffle(order);
      }
      List<Integer> chosen = queried > 1 ? order.subList(0, queried) : List.of(order.get(a));
      List<String> answers =
          chosen.stream()
              .flatMap(i -> value.subList(i * valuesPerKey, (i + 1) * valuesPerKey).stream())
              .toList();
      if (valuesPerKey > 1) {
        answers =
            answers.stream().sorted(java.util.Comparator.comparing(context::indexOf)).toList();
      }
      String question = wording.question(listed(chosen.stream().map(key::get).toList()));
      asks.add(new TaskText.Ask(question, separated(answers, ", "), answers, Part.ANSWER));
    }
    return new TaskText(wording.head() + context, Part.FILLER, asks);
  }

  /** The answers as they are written out: a space first, then {@code between} two. */
  static List<String> separated(List<String> answers, String between) {
    List<String> out = new ArrayList<>();
    for (String a : answers) {
      out.add((out.isEmpty() ? " " : between) + a);
    }
    return out;
  }

  private static String listed(List<String> keys) {
    int last = keys.size() - 1;
    return last == 0
        ? keys.get(0)
        : String.join(", ", keys.subList(0, last)) + ", and " + keys.get(last);
  }
}
