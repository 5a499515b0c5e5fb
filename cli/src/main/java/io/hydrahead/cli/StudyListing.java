package io.hydrahead.cli;

import io.hydrahead.study.StudyStage;
import io.hydrahead.study.run.StudyRun;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What {@code study --plan-only} prints: units, times, what is missing, what comes of the report.
 */
final class StudyListing {
  private final CommonOptions common;

  StudyListing(CommonOptions common) {
    this.common = common;
  }

  void print(StudyRun.Plan plan) {
    boolean reportAlone = plan.units().isEmpty() && !plan.report().isEmpty();
    if (!plan.units().isEmpty()) {
      table(plan.units());
    }
    if (!reportAlone) {
      StudyForecast.lines(plan.units(), common).forEach(common.out()::println);
    }
    if (!plan.missing().isEmpty()) {
      common.out().println(missing(plan.missing()));
    }
    if (!plan.report().isEmpty()) {
      common.out().println(plan.report());
    }
    common.out().flush();
  }

  private void table(List<StudyRun.Planned> units) {
    Table t = new Table("unit", "state", "size", "device time");
    Map<StudyStage, Double> togo = new EnumMap<>(StudyStage.class);
    Set<StudyStage> open = EnumSet.noneOf(StudyStage.class);
    for (StudyRun.Planned u : units) {
      t.row(u.unit(), u.done() ? "done" : "", u.about(), seconds(u.size().seconds()));
      togo.merge(u.stage(), u.done() ? 0 : u.size().seconds(), Double::sum);
      if (!u.done()) {
        open.add(u.stage());
      }
    }
    t.print(common.out());
    common.out().println();
    togo.forEach((stage, s) ->
        common
            .out()
            .printf(
                "%s: %s to go%n",
                stage.name().toLowerCase(Locale.ROOT),
                open.contains(stage) ? seconds(s) : "nothing"));
  }

  /** A run would make what goes without them, and then end. */
  private static String missing(List<StudyRun.Planned> units) {
    return "missing, and not part of this run: "
        + units.stream().map(StudyRun.Planned::unit).collect(Collectors.joining(", "))
        + "; --stage "
        + units.stream()
            .map(StudyRun.Planned::stage)
            .distinct()
            .sorted()
            .map(StudyStage::name)
            .collect(Collectors.joining(","))
        + " makes them";
  }

  private static String seconds(double s) {
    return s == 0 ? "–" : String.format(Locale.ROOT, "%.0f s", s);
  }
}
