package io.hydrahead.study.results;

import io.hydrahead.study.results.ArmGroups.Group;
import io.hydrahead.study.results.ArmGroups.Row;
import java.util.Comparator;
import java.util.List;
import java.util.function.DoubleFunction;
import java.util.stream.Collectors;

/** What each arm is, and what its training took. */
final class ArmsSection {
  private final ResultsFolder folder;
  private final ArmGroups groups;

  ArmsSection(ResultsFolder folder, ArmGroups groups) {
    this.folder = folder;
    this.groups = groups;
  }

  String text() {
    MarkdownTable table =
        new MarkdownTable(
            List.of(
                "arm",
                "recipe",
                "seeds",
                "full heads",
                "KV cache",
                "parameters",
                "FLOPs a token at 4K",
                "transfer tokens",
                "learning rates by stage",
                "training, s"),
            2);
    for (Group g : groups.of(folder.cells().arms())) {
      table.group(g.title());
      for (Row r : g.rows()) {
        List<ReportedArm> own =
            folder.arms().stream().filter(a -> a.arm().equals(r.arm()) && !r.again()).toList();
        if (!own.isEmpty()) {
          table.row(row(r.arm(), own));
        }
      }
    }
    return table.isEmpty()
        ? ""
        : "## Arms\n\n"
            + about()
            + "Where seeds differ, the least and the most of them. Transfer tokens are those that an arm was trained on after the Transformer; 0: the Transformer itself, or another arm's model used as the table above says. The recipes lie in `recipes/study`.\n\n"
            + table;
  }

  private List<String> row(String arm, List<ReportedArm> own) {
    String recipe = own.getFirst().text("recipe");
    return List.of(
        folder.label(arm),
        recipe.isEmpty() ? Numbers.NONE : "`" + recipe + "`",
        Numbers.list(own.stream().map(ReportedArm::seed).toList()),
        range(own, "full_heads", v -> Numbers.format("%.0f", v))
            + " of "
            + range(own, "heads", v -> Numbers.format("%.0f", v)),
        HeadlineSection.kvShare(folder, arm),
        range(own, "parameters", Numbers::count),
        range(own, "flops_per_token", Numbers::count),
        range(own, "tokens", Numbers::count),
        own.stream()
            .map(ReportedArm::learningRates)
            .filter(r -> !r.isEmpty())
            .distinct()
            .collect(
                Collectors.collectingAndThen(
                    Collectors.joining("; "), s -> s.isEmpty() ? Numbers.NONE : s)),
        range(own, "seconds", v -> Numbers.format("%.0f", v)));
  }

  /** One number, or from the least to the most of the seeds. */
  private static String range(List<ReportedArm> own, String field, DoubleFunction<String> show) {
    List<String> all =
        own.stream()
            .map(a -> a.number(field))
            .sorted(Comparator.naturalOrder())
            .map(show::apply)
            .distinct()
            .toList();
    return all.size() == 1 ? all.getFirst() : all.getFirst() + "–" + all.getLast();
  }

  private String about() {
    MarkdownTable table = new MarkdownTable(List.of("arm", "what it is"), 2);
    for (Group g : groups.of(folder.cells().arms())) {
      table.group(g.title());
      for (Row r : g.rows()) {
        String about = folder.study().path(StudyReport.ABOUT).path(r.arm()).asString("");
        if (!about.isEmpty() && !r.again()) {
          table.row(List.of(r.label(), about));
        }
      }
    }
    return table.isEmpty() ? "" : table.toString();
  }
}
