package io.hydrahead.study.results;

import io.hydrahead.study.results.ArmGroups.Group;
import io.hydrahead.study.results.ArmGroups.Row;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.DoubleFunction;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;

/** What each arm is, and what its training took. */
final class ArmsSection {
  private static final String PARENTS = "Trained, and read only as the model of an arm above";

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
                "stages: tokens, of texts of so many, learning rate",
                "training, s",
                "data other than the rest's"),
            2);
    for (Group g : groups.of(folder.cells().arms())) {
      table.group(g.title());
      for (Row r : g.rows()) {
        List<ReportedArm> own = r.again() ? List.of() : of(r.arm());
        if (!own.isEmpty()) {
          table.row(row(r.arm(), own));
        }
      }
    }
    table.group(PARENTS);
    for (String arm : parents()) {
      table.row(row(arm, of(arm)));
    }
    return table.isEmpty()
        ? ""
        : "## Arms\n\n"
            + about()
            + "Where seeds differ, the least and the most of them. Transfer tokens are those that an arm was trained on after the Transformer; 0: the Transformer itself; \"as\": it is that arm's model, whose training the row tells, used as the table above says. The recipes lie in `recipes/study`.\n\n"
            + table.withoutEmpty(Numbers.NONE);
  }

  private List<ReportedArm> of(String arm) {
    return folder.arms().stream().filter(a -> a.arm().equals(arm)).toList();
  }

  private JsonNode told(String arm) {
    return folder.study().path(StudyReport.ARMS).path(arm);
  }

  /** Arms with facts and without cells that another arm is the model of. */
  private List<String> parents() {
    return folder.cells().arms().stream()
        .map(a -> told(a).path("of").asString(""))
        .filter(p -> !p.isEmpty() && !folder.cells().arms().contains(p) && !of(p).isEmpty())
        .distinct()
        .sorted()
        .toList();
  }

  private List<String> row(String arm, List<ReportedArm> own) {
    String parent = told(arm).path("of").asString("");
    List<Integer> seeds = own.stream().map(ReportedArm::seed).toList();
    List<ReportedArm> theirs = of(parent).stream().filter(a -> seeds.contains(a.seed())).toList();
    List<ReportedArm> trained = theirs.isEmpty() ? own : theirs;
    String as = theirs.isEmpty() ? "" : ", as " + parent;
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
        range(trained, "tokens", Numbers::count) + as,
        trained.stream()
            .map(a -> a.stages(told(a.arm()).path("contexts")))
            .filter(r -> !r.isEmpty())
            .distinct()
            .collect(
                Collectors.collectingAndThen(
                    Collectors.joining("; "), s -> s.isEmpty() ? Numbers.NONE : s)),
        range(trained, "seconds", v -> Numbers.format("%.0f", v)) + as,
        data(theirs.isEmpty() ? arm : parent));
  }

  /** "plain text 0.15 rather than 0.25; weight of niah_multikey_2 8 rather than 2". */
  private String data(String arm) {
    List<String> out = new ArrayList<>();
    data("", told(arm).path("data"), folder.study().path("data"), out);
    return out.isEmpty() ? Numbers.NONE : String.join("; ", out);
  }

  private static void data(String path, JsonNode own, JsonNode others, List<String> out) {
    for (String field : own.propertyNames()) {
      JsonNode value = own.get(field);
      JsonNode other = others.path(field);
      if (value.isObject()) {
        data(path + field + ".", value, other, out);
      } else {
        String name =
            (path + field)
                .replaceFirst("^families\\.", "weight of ")
                .replaceFirst("^plain$", "share of plain text");
        out.add(name + " " + value + (other.isMissingNode() ? "" : " rather than " + other));
      }
    }
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
    table.group(PARENTS);
    for (String arm : parents()) {
      String about = folder.study().path(StudyReport.ABOUT).path(arm).asString("");
      table.row(List.of(folder.label(arm), about));
    }
    return table.isEmpty() ? "" : table.toString();
  }
}
