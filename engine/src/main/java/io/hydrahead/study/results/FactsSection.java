package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;

/** How it was measured, on what, by which commands, and what people noted. */
final class FactsSection {
  private static final String TEACHERS = "teachers";

  /** Fields of study.json that have a place of their own. */
  private static final Set<String> ELSEWHERE =
      Set.of(
          "roles",
          TEACHERS,
          StudyReport.ABOUT,
          StudyReport.NOTES,
          StudyReport.ARMS,
          StudyReport.TRIALS);

  /** The recipe in a command line, as a shell takes it. */
  private static final Pattern RECIPE = Pattern.compile("--recipe[ =]('[^']*'|\\S+)");

  private final ResultsFolder folder;

  FactsSection(ResultsFolder folder) {
    this.folder = folder;
  }

  String text(String command) {
    return new MethodSection(folder).text() + teachers() + facts() + notes() + again(command);
  }

  private String teachers() {
    MarkdownTable table =
        new MarkdownTable(
            List.of("seed", "tokens", "held-out loss, nats a token", "training, s"), 1);
    for (JsonNode t : folder.study().path(TEACHERS)) {
      double tokens = t.path("tokens").asDouble(Double.NaN);
      table.row(
          List.of(
              Integer.toString(t.path("seed").asInt()),
              Double.isNaN(tokens) ? Numbers.NONE : Numbers.count(tokens),
              Numbers.format("%.4f", t.path("held_out_loss").asDouble(Double.NaN)),
              Numbers.format("%.0f", t.path("seconds").asDouble(Double.NaN))));
    }
    return table.isEmpty()
        ? ""
        : "## The Transformers that the hybrids are made from\n\n"
            + "Held-out loss: of rows like those of the training, generated tasks and plain text together, made of the development split's words and text, at the native length ("
            + Lengths.format(folder.nativeLength())
            + " tokens), every token weighted as in the training, where answers weigh most. The loss of the first table is another: of plain text alone, of the test split.\n\n"
            + table;
  }

  private String facts() {
    MarkdownTable table = new MarkdownTable(List.of("", "as the runs wrote it"), 2);
    Map<String, String> flat = new LinkedHashMap<>();
    for (String name : folder.study().propertyNames()) {
      if (!ELSEWHERE.contains(name)) {
        flatten(name, folder.study().get(name), flat);
      }
    }
    flat.forEach((name, value) -> table.row(List.of(name, value)));
    origins().forEach((name, value) -> table.row(List.of(name, value)));
    trials()
        .forEach((family, losses) ->
            table.row(List.of("held-out loss by factor of the rates, " + family, losses)));
    double tokens = 0;
    double seconds = 0;
    int workers = 1;
    for (ReportedArm a : folder.arms()) {
      tokens += Double.isNaN(a.number("tokens")) ? 0 : a.number("tokens");
      seconds += Double.isNaN(a.number("seconds")) ? 0 : a.number("seconds");
      workers = Math.max(workers, a.workers());
    }
    String shared =
        workers == 1 ? "" : ", of workers, up to " + workers + " of which shared a device";
    double evaluated = folder.cells().all().stream().mapToDouble(c -> c.work().seconds()).sum();
    double read = folder.cells().all().stream().mapToDouble(c -> c.work().tokens()).sum();
    table.row(
        List.of(
            "all arms' training",
            Numbers.count(tokens) + " tokens, " + Numbers.hours(seconds) + " h" + shared));
    table.row(
        List.of(
            "all arms' evaluation",
            Numbers.count(read)
                + " tokens, "
                + Numbers.hours(evaluated)
                + " h, "
                + folder.cells().all().size()
                + " cells (a model, a seed, a family, a length)"
                + shared));
    return "## Hardware, data, commands\n\n<details><summary>As the runs wrote it</summary>\n\n"
        + table
        + "</details>\n\n";
  }

  /**
   * Commits, commands and devices of the arms, where these are not all of the run that the study's
   * own fields tell of.
   */
  private Map<String, String> origins() {
    Map<String, Integer> commits = counted(a -> a.text("commit"));
    Map<String, Integer> commands = counted(a -> a.text("command"));
    boolean one =
        commits.keySet().equals(Set.of(folder.study().path("commit").asString("")))
            && commands.keySet().equals(Set.of(folder.study().path("command").asString("")));
    Map<String, String> out = new LinkedHashMap<>();
    if (!one) {
      tell("commits of the arms", commits, out);
      tell("commands of the arms", commands, out);
      Map<String, Integer> devices = counted(a -> StudyReport.withoutNumber(a.text("device")));
      tell("devices of the arms", devices, out);
    }
    return out;
  }

  /** How many arms and seeds say what of themselves; those that say nothing do not count. */
  private Map<String, Integer> counted(Function<ReportedArm, String> says) {
    Map<String, Integer> out = new TreeMap<>();
    for (ReportedArm a : folder.arms()) {
      String value = says.apply(a);
      if (!value.isEmpty()) {
        out.merge(value, 1, Integer::sum);
      }
    }
    return out;
  }

  private static void tell(String name, Map<String, Integer> counts, Map<String, String> out) {
    List<String> all = new ArrayList<>();
    counts.forEach((value, n) -> all.add(value + " (" + n + (n == 1 ? " model)" : " models)")));
    if (!all.isEmpty()) {
      out.put(name, String.join("; ", all));
    }
  }

  /** By family of recipes, what trials of learning rates came to. */
  private Map<String, String> trials() {
    Map<String, String> out = new LinkedHashMap<>();
    for (JsonNode t : folder.study().path(StudyReport.TRIALS)) {
      out.merge(
          t.path("family").asString(""),
          "×"
              + t.path("factor").asDouble()
              + ": "
              + Numbers.format("%.3f", t.path("held_out_loss").asDouble(Double.NaN)),
          (a, b) -> a + ", " + b);
    }
    return out;
  }

  /** What people had to say of these runs, kept in the field {@code notes} of study.json. */
  private String notes() {
    StringBuilder out = new StringBuilder();
    for (JsonNode note : folder.study().path(StudyReport.NOTES)) {
      out.append("- ").append(note.asString()).append('\n');
    }
    return out.isEmpty() ? "" : "## Notes on these runs\n\n" + out + "\n";
  }

  /** Commands to copy: into a folder of their own, whatever folder the runs had. */
  private static String again(String command) {
    Matcher m = RECIPE.matcher(command);
    return """
    ## This page again

    Every number is made from the runs' own files, which are kept beside this page in `study/raw`. To write it again from them:

    ```sh
    page=results  # the folder of this page
    mkdir again
    cp -r "$page/study/raw" again/results
    hydrahead study --recipe RECIPE -o again --stage report
    ```

    The new page is `again/report/RESULTS.md`.
    """
        .replace("RECIPE", m.find() ? m.group(1) : "recipes/study.json");
  }

  private static void flatten(String name, JsonNode value, Map<String, String> out) {
    if (value.isObject()) {
      for (String inner : value.propertyNames()) {
        flatten(name + "." + inner, value.get(inner), out);
      }
    } else if (value.isArray() && !value.isEmpty() && value.get(0).isObject()) {
      for (int i = 0; i < value.size(); i++) {
        flatten(name + "[" + i + "]", value.get(i), out);
      }
    } else {
      out.put(name, value.isString() ? value.stringValue() : value.toString());
    }
  }
}
