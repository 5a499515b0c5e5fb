package io.hydrahead.study.results;

import io.hydrahead.study.stats.AcrossSeeds;
import io.hydrahead.study.stats.Bootstrap.Estimate;
import io.hydrahead.study.stats.CollapsedDraws;
import io.hydrahead.study.stats.Statements;
import io.hydrahead.study.stats.Statements.Test;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The answers to A and B in a few sentences each, the seeds told apart where they differ. */
final class Answers {
  private static final String BETTER = "better";
  private static final String WORSE = "worse";
  private static final String OPEN = "not told apart";

  private final ResultsFolder folder;
  private final Statements statements;
  private final List<Test> pooled;
  private final List<CollapsedDraws.Draw> collapsed;
  private final List<Test> without;
  private final Map<String, Test> draws;

  Answers(ResultsFolder folder, Statements statements) {
    this.folder = folder;
    this.statements = statements;
    pooled = statements.pooledA().stream().toList();
    collapsed = statements.collapsed();
    without = statements.randomWithoutCollapsed().stream().toList();
    draws = statements.eachDraw();
  }

  /** Both, a paragraph each. */
  String text() {
    return "**A. Does "
        + folder.causal()
        + " recall as much as "
        + folder.layer31()
        + "?** "
        + a()
        + "\n\n**B. Is it better than random heads with the same cache, and than whole layers near 7:1?** "
        + b()
        + "\n";
  }

  private String a() {
    List<Test> own = statements.tests("A");
    if (own.isEmpty()) {
      return "Not answered: no family that decides was measured on both arms.";
    }
    List<String> not = own.stream().filter(Test::refuted).map(Test::name).toList();
    List<String> open =
        own.stream().filter(t -> !t.holds() && !t.refuted()).map(Test::name).toList();
    StringBuilder out = new StringBuilder();
    String margin = Math.round(100 * Statements.MARGIN) + " points";
    if (not.isEmpty() && open.isEmpty()) {
      out.append("Yes: in none of the ")
          .append(Numbers.families(own.size()))
          .append(" that decide is it more than ")
          .append(margin)
          .append(" below.");
    } else {
      out.append(not.isEmpty() ? "Not shown in every family: " : "Not in every family: ")
          .append("it is at most ")
          .append(margin)
          .append(" below in ")
          .append(own.size() - not.size() - open.size())
          .append(" of ")
          .append(own.size())
          .append(" that decide");
      out.append(not.isEmpty() ? "" : ", further below in " + String.join(", ", not));
      out.append(open.isEmpty() ? "" : ", undecided in " + String.join(", ", open)).append('.');
    }
    out.append(singleSeeds(own));
    for (Test t : pooled) {
      out.append(
              " Over all of them and all lengths ("
                  + StatementsSection.pairs(t)
                  + ") its recall is ")
          .append(difference(t))
          .append(": in the mean ")
          .append(word(t.difference()))
          .append(apart(List.of(t), false))
          .append('.');
    }
    out.append(acrossSeeds(pooled, own));
    return out.append(" It keeps ")
        .append(HeadlineSection.kvShare(folder, folder.roles().causal()))
        .append(" of the Transformer's KV cache, ")
        .append(folder.layer31())
        .append(' ')
        .append(HeadlineSection.kvShare(folder, folder.roles().layer31()))
        .append('.')
        .toString();
  }

  /**
   * " Taking seeds as the unit, n = 3, the interval is -6.0 to +14.0, which includes 0; …": the
   * same differences, each seed one observation; empty where there are not two seeds.
   *
   * @param families A's tests, counted by whether their interval is above what A allows
   */
  static String acrossSeeds(List<Test> named, List<Test> families) {
    List<String> out = new ArrayList<>();
    int seeds = 0;
    for (Test t : named) {
      for (AcrossSeeds a : t.acrossSeeds().stream().toList()) {
        seeds = Math.max(seeds, a.seeds());
        out.add(
            (named.size() == 1 ? "the interval is " : t.name() + " ")
                + Numbers.points(a.low())
                + " to "
                + Numbers.points(a.high())
                + (named.size() == 1 ? ", which " : ", ")
                + (a.holds(0) ? "includes 0" : "excludes 0"));
      }
    }
    if (out.isEmpty()) {
      return "";
    }
    String by = "";
    if (!families.isEmpty()) {
      long above =
          families.stream()
              .flatMap(t -> t.acrossSeeds().filter(a -> a.low() > t.bound()).stream())
              .count();
      by =
          "; family by family the interval lies above -"
              + Math.round(100 * Statements.MARGIN)
              + " in "
              + above
              + " of "
              + families.size();
    }
    return " Taking seeds as the unit, n = "
        + seeds
        + ", "
        + (named.size() == 1 ? "" : "the intervals are: ")
        + String.join("; ", out)
        + by
        + ".";
  }

  /** Seeds that are further below than A allows, in families where the mean over seeds is not. */
  private static String singleSeeds(List<Test> own) {
    List<String> below = new ArrayList<>();
    List<String> surely = new ArrayList<>();
    for (Test t : own) {
      t.seeds()
          .forEach((seed, e) -> {
            if (!t.refuted() && e.value() < t.bound()) {
              String where = t.name() + " in seed " + seed;
              below.add(where + ", " + Numbers.points(e));
              if (e.high() < t.bound()) {
                surely.add(where);
              }
            }
          });
    }
    if (below.isEmpty()) {
      return "";
    }
    return " That is the mean over seeds; a single seed is further below in "
        + String.join("; ", below)
        + (surely.isEmpty()
            ? ", though by no seed's whole interval."
            : "; with its whole interval only in " + String.join(", ", surely) + ".");
  }

  /** "5.1 points higher, 95% interval +4.8 to +5.5 (seed 0: +3.4 [+2.9, +3.9], better; …)". */
  private static String difference(Test t) {
    Estimate e = t.difference();
    return Numbers.format("%.1f", Math.abs(100 * e.value()))
        + " points "
        + (e.value() < 0 ? "lower" : "higher")
        + ", 95% interval "
        + Numbers.points(e.low())
        + " to "
        + Numbers.points(e.high())
        + " ("
        + seeds(t)
        + ")";
  }

  /** "seed 0: +2.4 [+2.0, +2.8], better; seed 1: …". */
  private static String seeds(Test t) {
    List<String> out = new ArrayList<>();
    t.seeds()
        .forEach((seed, e) -> out.add("seed " + seed + ": " + Numbers.points(e) + ", " + word(e)));
    return String.join("; ", out);
  }

  /** What an interval says of a difference against 0. */
  static String word(Estimate e) {
    return e.low() > 0 ? BETTER : e.high() < 0 ? WORSE : OPEN;
  }

  private String b() {
    List<Test> own = statements.tests("B");
    if (own.isEmpty()) {
      return "Not answered: the arms it compares have no families in common that decide.\n";
    }
    StringBuilder out = new StringBuilder(sentence(own)).append(acrossSeeds(own, List.of()));
    out.append(" Over ")
        .append(RecallSection.words(own.getFirst().places(), folder.cells().lengths()))
        .append(", each seed with an interval over its own haystacks:\n\n");
    for (Test t : own) {
      out.append(line(t.name(), mean(t), t));
      if (t.name().equals(Statements.RANDOM)) {
        without.forEach(w -> out.append(line(withoutName(), word(w.difference()), w)));
      }
    }
    return out + draws();
  }

  private static String line(String name, String word, Test t) {
    return "- "
        + name
        + ": "
        + word
        + ", "
        + Numbers.points(t.difference())
        + " points ("
        + seeds(t)
        + ")\n";
  }

  /** "the same without 7:1 at random, draw 3 in seed 2, which collapsed (28.3%, others 85.0%)". */
  private String withoutName() {
    List<String> out =
        collapsed.stream()
            .map(c ->
                folder.label(c.arm())
                    + " in seed "
                    + c.seed()
                    + " (recall "
                    + Numbers.percent(c.recall())
                    + "%, the seed's other draws "
                    + Numbers.percent(c.others())
                    + "%)")
            .toList();
    return Statements.RANDOM + ", without what collapsed, " + String.join(" and ", out);
  }

  private static String mean(Test t) {
    return t.holds() ? BETTER : t.refuted() ? WORSE : OPEN;
  }

  /** How the means over seeds compare, and in which seeds they are told apart. */
  static String sentence(List<Test> own) {
    Map<String, List<String>> by = new TreeMap<>();
    own.forEach(t -> by.computeIfAbsent(mean(t), w -> new ArrayList<>()).add(t.name()));
    List<String> parts = new ArrayList<>();
    if (by.size() == 1 && by.containsKey(BETTER)) {
      parts.add("better than all of these");
    } else {
      add(parts, "better than ", by.get(BETTER));
      add(parts, "not told apart from ", by.get(OPEN));
      add(parts, "worse than ", by.get(WORSE));
    }
    return "In the mean over seeds it is " + String.join(", ", parts) + apart(own, true) + ".";
  }

  private static void add(List<String> parts, String words, List<String> names) {
    if (names != null) {
      parts.add(words + String.join(" and ", names));
    }
  }

  /**
   * In which seeds the difference of the mean is seen too. "; so in every seed", or "; told apart
   * from layer-wise 5:1 in seed 1 only".
   *
   * @param named whether to say from what
   */
  private static String apart(List<Test> own, boolean named) {
    List<String> out = new ArrayList<>();
    for (Test t : own) {
      List<Integer> better = seeds(t, BETTER);
      List<Integer> worse = seeds(t, WORSE);
      String from = named ? " " + t.name() : " it";
      if (better.size() == t.seeds().size()) {
        continue;
      }
      if (better.isEmpty() && worse.isEmpty()) {
        out.add("told apart from" + from + " in no single seed");
      } else if (worse.isEmpty()) {
        out.add("told apart from" + from + " in " + Numbers.seedWords(better) + " only");
      } else {
        String above = better.isEmpty() ? "" : ", better in " + Numbers.seedWords(better);
        out.add("worse than" + from + " in " + Numbers.seedWords(worse) + above);
      }
    }
    return out.isEmpty() ? ", and so it is in every seed" : "; " + String.join("; ", out);
  }

  private static List<Integer> seeds(Test t, String word) {
    return t.seeds().entrySet().stream()
        .filter(s -> word(s.getValue()).equals(word))
        .map(Map.Entry::getKey)
        .toList();
  }

  /** Each random draw on its own: a mean can hide one that failed. */
  private String draws() {
    StringBuilder out = new StringBuilder();
    draws.forEach((arm, t) -> out.append(line(folder.label(arm), word(t.difference()), t)));
    return draws.size() < 2
        ? ""
        : "- each random draw by itself:\n" + out.toString().replaceAll("(?m)^- ", "  - ");
  }
}
