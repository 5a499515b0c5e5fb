package io.hydrahead.study.results;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.json.Json;
import io.hydrahead.json.ReadableJson;
import io.hydrahead.study.stats.Bootstrap;
import io.hydrahead.study.stats.Statements;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes a study's {@code RESULTS.md} with its charts, and {@code summary.json} with the statements
 * for programs, from the folder that the runs left. The same files give the same document.
 */
public final class StudyReport {
  /** Field of study.json: sentences for the end of the page. */
  public static final String NOTES = "notes";

  /** Field of study.json: what trials of learning rates came to. */
  public static final String TRIALS = "learning_rate_trials";

  private static final int REPLICATES = 10_000;
  private static final int TABLE_REPLICATES = 2_000;
  private static final long SEED = 4;

  /** What each arm is, in a sentence. */
  private static final String ABOUT = "about";

  private final ResultsFolder folder;
  private final Statements statements;
  private final Bootstrap tables;

  /**
   * @param results folder with {@code study.json}, which names the roles
   * @throws io.hydrahead.tensor.InputException if it is none, or a file in it is damaged
   */
  public StudyReport(Path results) {
    folder = new ResultsFolder(results);
    statements =
        new Statements(
            folder.cells(), folder.roles(), folder.nativeLength(), new Bootstrap(REPLICATES, SEED));
    tables = new Bootstrap(TABLE_REPLICATES, SEED);
  }

  /**
   * Writes {@code RESULTS.md}, {@code study/*.svg} and {@code study/summary.json} under {@code
   * out}; earlier ones are replaced.
   *
   * @param command that is writing, for the reader who wants the same
   */
  public void write(Path out, String command) {
    List<String> deciding = statements.deciding();
    Path files = out.resolve("study");
    Map<String, String> figures = new Figures(folder, deciding, tables).draw();
    figures.forEach((name, svg) -> AtomicFile.write(files.resolve(name), svg));
    AtomicFile.write(files.resolve("summary.json"), ReadableJson.text(summary()));
    folder.keep(files.resolve("raw"));
    AtomicFile.write(out.resolve("RESULTS.md"), document(deciding, figures, command));
  }

  private String document(List<String> deciding, Map<String, String> figures, String command) {
    RecallSection recall = new RecallSection(folder, deciding, tables);
    StatementsSection section = new StatementsSection(folder, statements);
    StringBuilder out = new StringBuilder("# Head-wise 7:1 against layer-wise 3:1\n\n");
    out.append("Every number here is made from the runs' own files by `")
        .append(command)
        .append(
            "`; with the files kept in `study/raw` copied to that folder's `results` it writes this page again.\n\n");
    out.append(recall.headline());
    out.append(section.answers());
    show(out, figures, "recall-by-length.svg", "Recall by length");
    out.append(section.text());
    show(out, figures, "recall-by-heads.svg", "Recall by number of full heads");
    show(out, figures, "recall-by-memory.svg", "Recall against memory");
    out.append(recall.byLength());
    out.append(recall.againstCausal());
    out.append(recall.byFamily());
    out.append(recall.losses());
    show(out, figures, "loss-by-position.svg", "Loss by position");
    out.append(new SpeedSection(folder).text());
    out.append(arms());
    out.append(method());
    out.append(facts());
    out.append(notes());
    return out.toString().strip() + "\n";
  }

  private static void show(
      StringBuilder out, Map<String, String> figures, String name, String words) {
    if (figures.containsKey(name)) {
      out.append("![").append(words).append("](study/").append(name).append(")\n\n");
    }
  }

  private String arms() {
    MarkdownTable table =
        new MarkdownTable(
            List.of(
                "arm",
                "seed",
                "full heads",
                "KV cache",
                "parameters",
                "FLOPs a token",
                "tokens",
                "learning rates",
                "hours",
                "recipe"),
            1);
    for (ReportedArm a : folder.arms()) {
      double share = a.number("kv_share");
      table.row(
          List.of(
              a.label(),
              Integer.toString(a.seed()),
              Numbers.format("%.0f", a.number("full_heads"))
                  + " of "
                  + Numbers.format("%.0f", a.number("heads")),
              Double.isNaN(share) ? Numbers.NONE : Numbers.percent(share) + "%",
              Numbers.count(a.number("parameters")),
              Numbers.count(a.number("flops_per_token")),
              Numbers.count(a.number("tokens")),
              a.learningRates().isEmpty() ? Numbers.NONE : a.learningRates(),
              Numbers.hours(a.number("seconds")),
              a.text("recipe").isEmpty() ? Numbers.NONE : "`" + a.text("recipe") + "`"));
    }
    return table.isEmpty() ? "" : "## Arms\n\n" + whatTheyAre() + table;
  }

  private String whatTheyAre() {
    MarkdownTable table = new MarkdownTable(List.of("arm", "what it is"), 2);
    for (String arm : folder.inOrder()) {
      String about = folder.study().path(ABOUT).path(arm).asString("");
      if (!about.isEmpty()) {
        table.row(List.of(folder.label(arm), about));
      }
    }
    return table.isEmpty() ? "" : table.toString();
  }

  private String method() {
    return """
    ## How it was measured

    - A haystack is read once; its questions, with the expected answers behind them, are branches of one more pass behind
      the same caches and states. An answer counts where the model's first choice is right at every one of its tokens:
      as long as all are right, greedy decoding reads the very same tokens, so this is greedy exact match without decoding.
      Of several answers to one question those before the first mistake count, which greedy decoding gives too.
    - Common and frequent words have no one order: their answers are generated, and the share of words found counts.
    - Words, values and wordings of the test occur in neither training, probe nor development; the held-out text is the
      test split of the corpus.
    - Families whose text answers several questions were asked up to QUESTIONS; single needles and word counts one.
    - Models of one seed read the same haystacks, so arms are compared haystack by haystack; every seed reads its own.
    - "Decides": the teachers reach 80% up to their native length, and not every arm compared is above 98%.

    """
        .replace(
            "QUESTIONS",
            Integer.toString(
                folder.cells().all().stream().mapToInt(c -> c.spec().questions()).max().orElse(1)));
  }

  private String facts() {
    MarkdownTable table = new MarkdownTable(List.of("", "as the runs wrote it"), 2);
    Map<String, String> flat = new LinkedHashMap<>();
    for (String name : folder.study().propertyNames()) {
      if (!name.equals("roles")
          && !name.equals(ABOUT)
          && !name.equals(NOTES)
          && !name.equals(TRIALS)) {
        flatten(name, folder.study().get(name), flat);
      }
    }
    flat.forEach((name, value) -> table.row(List.of(name, value)));
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
                + " cells"
                + shared));
    return "## Hardware, data, commands\n\n" + table;
  }

  /** By family, what trials of learning rates came to. */
  private Map<String, String> trials() {
    Map<String, String> out = new LinkedHashMap<>();
    for (JsonNode t : folder.study().path(TRIALS)) {
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
    for (JsonNode note : folder.study().path(NOTES)) {
      out.append("- ").append(note.asString()).append('\n');
    }
    return out.isEmpty() ? "" : "\n## Notes on these runs\n\n" + out;
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

  private JsonNode summary() {
    ObjectNode o = Json.object();
    o.put("schema", "hydrahead.study.summary").put("schema_version", 1);
    ArrayNode families = o.putArray("families");
    for (Statements.Family f : statements.families()) {
      ObjectNode e = families.addObject().put("task", f.task());
      e.put("verdict", f.verdict().name().toLowerCase(java.util.Locale.ROOT));
      number(e, "teacher", f.teacher());
      number(e, "lowest", f.lowest());
    }
    ArrayNode list = o.putArray("tests");
    for (Statements.Test t : statements.tests()) {
      ObjectNode e = list.addObject().put("statement", t.statement()).put("compared", t.name());
      put(e, t.difference());
      e.put("bound", t.bound()).put("p", t.p()).put("holm", t.adjusted()).put("answer", t.answer());
    }
    ArrayNode kept = o.putArray("kept");
    for (Statements.Kept k : statements.kept()) {
      ObjectNode e =
          kept.addObject()
              .put("arm", k.arm())
              .put("group", k.group())
              .put("length", k.length())
              .put("recall", k.recall().value());
      put(e, k.kept());
      e.put("answer", k.answer());
    }
    return o;
  }

  private static void put(ObjectNode o, Bootstrap.Estimate e) {
    number(o, "value", e.value());
    number(o, "low", e.low());
    number(o, "high", e.high());
    o.put("haystacks", e.haystacks());
    ObjectNode seeds = o.putObject("by_seed");
    e.bySeed().forEach((seed, v) -> number(seeds, Integer.toString(seed), v));
  }

  /** JSON has no NaN: what is none is left out. */
  private static void number(ObjectNode o, String name, double v) {
    if (Double.isFinite(v)) {
      o.put(name, v);
    }
  }
}
