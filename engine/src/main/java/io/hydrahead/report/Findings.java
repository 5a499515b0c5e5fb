package io.hydrahead.report;

import io.hydrahead.report.ModelFacts.Kind;
import io.hydrahead.report.Recall.Pool;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** What the numbers say, in sentences made from them alone; {@code **…**} is bold. */
final class Findings {
  private static final int FAR = 1 << 19;

  /** Columns of lengths that a page's width allows. */
  private static final int SHOWN = 5;

  private final ReportInput input;
  private final Recall recall;
  private final Map<String, Map<Integer, Pool>> pooled;

  Findings(ReportInput input, Recall recall) {
    this.input = input;
    this.recall = recall;
    pooled = recall.pooled(recall.tasks());
  }

  List<String> sentences() {
    List<String> out = new ArrayList<>();
    budgets(out);
    beyond(out);
    comparisons(out);
    memory(out);
    return out;
  }

  private void budgets(List<String> out) {
    List<String> parts = new ArrayList<>();
    for (ModelFacts m : input.models()) {
      if (m.hasPlan() && m.kind() != Kind.VANILLA && m.kind() != Kind.LINEAR) {
        parts.add(
            "**"
                + m.name()
                + "** keeps "
                + m.fullCount()
                + " of "
                + m.cells()
                + " heads full and "
                + Show.percent(m.cacheShare())
                + " of the KV cache");
      }
    }
    if (!parts.isEmpty()) {
      out.add(sentence(parts));
    }
  }

  private static String sentence(List<String> parts) {
    return String.join("; ", parts) + ".";
  }

  private List<Integer> measured() {
    return recall.lengths().stream()
        .filter(n -> pooled.values().stream().anyMatch(p -> p.containsKey(n)))
        .toList();
  }

  /** The lengths that the summary's table shows: all if they are few, else the key ones. */
  List<Integer> shownLengths() {
    List<Integer> all = measured();
    return all.size() <= SHOWN ? all : keyLengths();
  }

  /** The native length, or else the trained one, four times it, and the longest measured. */
  private List<Integer> keyLengths() {
    int limit = input.limit().tokens();
    List<Integer> measured = measured();
    TreeSet<Integer> keys = new TreeSet<>();
    measured.stream()
        .filter(n -> limit == 0 || n <= limit)
        .max(Integer::compare)
        .ifPresent(keys::add);
    measured.stream().filter(n -> limit > 0 && n == 4 * limit).forEach(keys::add);
    measured.stream().max(Integer::compare).ifPresent(keys::add);
    return List.copyOf(keys);
  }

  /** All tasks pooled, by model and length. */
  Map<String, Map<Integer, Pool>> pooled() {
    return pooled;
  }

  /** How recall changes from that length to four times it, or to the longest measured. */
  private void beyond(List<String> out) {
    List<Integer> keys = keyLengths();
    int limit = input.limit().tokens();
    String word = input.limit().word();
    if (keys.size() < 2 || limit == 0 || keys.getFirst() > limit) {
      return;
    }
    int from = keys.getFirst();
    int to = keys.get(1);
    List<String> parts = new ArrayList<>();
    pooled.forEach((model, pools) -> {
      if (pools.containsKey(from) && pools.containsKey(to)) {
        parts.add(
            "**"
                + model
                + "** from "
                + Show.percent(pools.get(from).accuracy())
                + " to "
                + Show.percent(pools.get(to).accuracy()));
      }
    });
    if (!parts.isEmpty()) {
      out.add(
          "Recall from "
              + Show.length(from)
              + " tokens"
              + (from == limit ? ", the " + word + " context," : "")
              + " to "
              + Show.length(to)
              + " ("
              + Show.factor(to / (double) limit)
              + "× "
              + word
              + ") goes: "
              + sentence(parts));
    }
  }

  static String interval(Pool p) {
    return p.high() > p.low()
        ? " [" + Show.percentNumber(p.low()) + ", " + Show.percentNumber(p.high()) + "]"
        : "";
  }

  /** Every head-wise hybrid against every layer-wise one. */
  private void comparisons(List<String> out) {
    for (ModelFacts head : input.models()) {
      for (ModelFacts layer : input.models()) {
        boolean pair = head.kind() == Kind.HEAD_WISE && layer.kind() == Kind.LAYER_WISE;
        if (pair && pooled.containsKey(head.name()) && pooled.containsKey(layer.name())) {
          compare(head.name(), layer.name(), out);
        }
      }
    }
  }

  private void compare(String head, String layer, List<String> out) {
    int lengths = 0;
    int atOrAbove = 0;
    int clearlyAbove = 0;
    int clearlyBelow = 0;
    for (Map.Entry<Integer, Pool> e : pooled.get(head).entrySet()) {
      Pool other = pooled.get(layer).get(e.getKey());
      if (other != null) {
        lengths++;
        atOrAbove += e.getValue().accuracy() >= other.accuracy() ? 1 : 0;
        clearlyAbove += e.getValue().low() > other.high() ? 1 : 0;
        clearlyBelow += e.getValue().high() < other.low() ? 1 : 0;
      }
    }
    if (lengths > 0) {
      out.add(
          "**"
              + head
              + "** is at or above **"
              + layer
              + "** at "
              + atOrAbove
              + " of "
              + lengths
              + (lengths == 1 ? " length" : " lengths")
              + "; the 95% intervals are apart at "
              + clearlyAbove
              + " in its favour and at "
              + clearlyBelow
              + " against it.");
    }
  }

  private void memory(List<String> out) {
    List<ModelFacts> known = input.models().stream().filter(m -> m.memory().isKnown()).toList();
    if (known.size() < 2) {
      return;
    }
    long most = known.stream().mapToLong(m -> m.memory().cacheBytes(FAR)).max().orElseThrow();
    List<String> parts = new ArrayList<>();
    for (ModelFacts m : known) {
      long bytes = m.memory().cacheBytes(FAR);
      parts.add(
          "**"
              + m.name()
              + "** "
              + Show.bytes(bytes)
              + (bytes < most ? " (÷ " + Show.factor(most / (double) bytes) + ")" : ""));
    }
    out.add("The caches of one sequence of 512K tokens take: " + String.join(", ", parts) + ".");
  }

  /** What a reader should not conclude; empty if there are no intervals. */
  String caution() {
    int least =
        input.cells().stream()
            .filter(c -> c.isAccuracy() && c.samples() > 0)
            .mapToInt(ReportInput.Cell::samples)
            .min()
            .orElse(0);
    if (least == 0) {
      return "";
    }
    return "The smallest cell has "
        + least
        + (least == 1 ? " sample" : " samples")
        + ": even with every answer right its 95% interval reaches down to "
        + Show.percent(Recall.wilson(1, least).low())
        + ". Differences within the intervals are not findings.";
  }
}
