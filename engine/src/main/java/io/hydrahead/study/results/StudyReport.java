package io.hydrahead.study.results;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.json.Json;
import io.hydrahead.json.ReadableJson;
import io.hydrahead.study.stats.Bootstrap;
import io.hydrahead.study.stats.Statements;
import java.nio.file.Path;
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

  /**
   * Field of study.json: by arm, whose model it is, whose rates it has and what data of its own.
   */
  public static final String ARMS = "arms";

  /** Field of study.json: what trials of learning rates came to. */
  public static final String TRIALS = "learning_rate_trials";

  /** Name of the page. */
  public static final String PAGE = "RESULTS.md";

  private static final int REPLICATES = 10_000;
  private static final int TABLE_REPLICATES = 2_000;
  private static final long SEED = 4;

  /** What each arm is, in a sentence. */
  static final String ABOUT = "about";

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

  /** A device's description without which of a machine's GPUs it was. */
  public static String withoutNumber(String device) {
    return device.replaceFirst("^cuda:\\d+: ", "");
  }

  /**
   * What a report needs, looked for without reading it.
   *
   * @param results folder of a study's results
   * @throws io.hydrahead.tensor.InputException if there is no finished cell
   */
  public static void requireMeasured(Path results) {
    ResultsFolder.requireMeasured(results);
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
    Map<String, String> figures = new Figures(folder, deciding, statements.groups(), tables).draw();
    figures.forEach((name, svg) -> AtomicFile.write(files.resolve(name), svg));
    AtomicFile.write(files.resolve("summary.json"), ReadableJson.text(summary()));
    folder.keep(files.resolve("raw"));
    AtomicFile.write(out.resolve(PAGE), document(deciding, figures, command));
  }

  private String document(List<String> deciding, Map<String, String> figures, String command) {
    PooledRecall common = PooledRecall.common(folder.cells(), folder.inOrder(), deciding, tables);
    ArmGroups groups = new ArmGroups(folder, common);
    RecallSection recall = new RecallSection(folder, deciding, tables, common, groups);
    KeptSection kept = new KeptSection(folder, statements);
    StringBuilder out = new StringBuilder("# Head-wise 7:1 against layer-wise 3:1\n\n");
    out.append(new WordsSection(folder).question());
    out.append(new HeadlineSection(folder, deciding, tables).text());
    out.append(new Answers(folder, statements).text());
    out.append(new LeadSection(folder, deciding, statements.collapsed()).text());
    show(out, figures, Figures.LENGTHS, "Recall by length");
    out.append(kept.question());
    statements.groups().stream()
        .map(Figures::far)
        .distinct()
        .forEach(name -> show(out, figures, name, "Recall far beyond the native length"));
    out.append(new WordsSection(folder).words());
    out.append(new StatementsSection(folder, statements, kept).text());
    if (figures.containsKey(Figures.HEADS) || figures.containsKey(Figures.MEMORY)) {
      out.append("## Recall against full heads and memory\n\n");
    }
    show(out, figures, Figures.HEADS, "Recall by number of full heads");
    show(out, figures, Figures.MEMORY, "Recall against memory");
    out.append(recall.byLength());
    out.append(recall.againstCausal());
    out.append(recall.byFamily());
    out.append(new LossSection(folder).text());
    show(out, figures, Figures.LOSS, "Loss by position");
    out.append(new SpeedSection(folder).text());
    out.append(new ArmsSection(folder, groups).text());
    out.append(new FactsSection(folder).text(command));
    return out.toString().strip() + "\n";
  }

  private static void show(
      StringBuilder out, Map<String, String> figures, String name, String words) {
    if (figures.containsKey(name)) {
      out.append("![").append(words).append("](study/").append(name).append(")\n\n");
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
      f.only().ifPresent(arm -> e.put("only_through", arm));
    }
    ArrayNode list = o.putArray("tests");
    for (Statements.Test t : statements.tests()) {
      ObjectNode e = list.addObject().put("statement", t.statement()).put("compared", t.name());
      put(e, t.difference());
      ObjectNode intervals = e.putObject("interval_by_seed");
      t.seeds()
          .forEach((seed, own) ->
              intervals.putArray(Integer.toString(seed)).add(own.low()).add(own.high()));
      t.acrossSeeds()
          .ifPresent(a ->
              e.putObject("across_seeds")
                  .put("low", a.low())
                  .put("high", a.high())
                  .put("seeds", a.seeds()));
      e.put("bound", t.bound()).put("p", t.p()).put("holm", t.adjusted()).put("answer", t.answer());
    }
    ArrayNode kept = o.putArray("kept");
    for (Statements.Kept k : statements.kept()) {
      ObjectNode e =
          kept.addObject()
              .put("arm", k.arm())
              .put("group", k.group().name())
              .put("length", k.length())
              .put("native_recall", k.near())
              .put("recall", k.recall().value());
      e.set("families", Json.of(k.group().tasks()));
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
