package io.hydrahead.cli;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.data.Haystack;
import io.hydrahead.data.PlainText;
import io.hydrahead.data.Split;
import io.hydrahead.data.TaskStyle;
import io.hydrahead.data.TextCorpus;
import io.hydrahead.data.TextHaystack;
import io.hydrahead.eval.Cell;
import io.hydrahead.eval.EvalOptions;
import io.hydrahead.eval.EvalTask;
import io.hydrahead.eval.Evaluator;
import io.hydrahead.eval.Lengths;
import io.hydrahead.eval.Results;
import io.hydrahead.eval.Scoring;
import io.hydrahead.eval.SessionModel;
import io.hydrahead.json.ReadableJson;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.plan.ReportModels;
import io.hydrahead.report.ModelFacts;
import io.hydrahead.report.ReportFiles;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tokenizer.Tokenizer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ObjectNode;

/** {@code hydrahead eval}: recall and perplexity by context length. */
@Command(
    name = "eval",
    description = {
      "Measure recall and perplexity at context lengths.",
      "RULER's tasks, MQAR, phone book; with 95%% intervals, reproducible from the seed."
    })
final class EvalCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Parameters(paramLabel = "CHECKPOINT", description = "A Hugging Face folder.")
  private Path folder;

  @Option(
      names = "--tasks",
      paramLabel = "LIST",
      defaultValue = "niah",
      description = "niah, ruler, all, or names with commas (default: ${DEFAULT-VALUE}).")
  private String tasks;

  @Option(
      names = "--lengths",
      paramLabel = "LIST",
      description = "Such as 4K,16K; default: the context that it was trained for.")
  private String lengths;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "20",
      description = "Examples of each task and length (default: ${DEFAULT-VALUE}).")
  private int samples;

  @Option(
      names = "--style",
      paramLabel = "STYLE",
      defaultValue = "RULER",
      description = "Wording of the prompts: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private TaskStyle style;

  @Option(
      names = "--scoring",
      paramLabel = "HOW",
      defaultValue = "GENERATE",
      description =
          "${COMPLETION-CANDIDATES}; the second reads the answer and asks if it was first choice"
              + " (default: ${DEFAULT-VALUE}).")
  private Scoring scoring;

  @Option(
      names = "--text",
      paramLabel = "FILE",
      description = "Haystack and text for perplexity; default: generated prose.")
  private Path text;

  @Option(
      names = "--questions",
      paramLabel = "N",
      defaultValue = "16",
      description = "Questions asked about one list or phone book (default: ${DEFAULT-VALUE}).")
  private int questions;

  @Option(
      names = "--digits",
      paramLabel = "N",
      defaultValue = "7",
      description = "Digits of the numbers to recall, 1 to 18 (default: ${DEFAULT-VALUE}).")
  private int digits;

  @Option(
      names = "--name",
      paramLabel = "NAME",
      description = {
        "What results call the model; default: the folder's name.",
        "A report puts together what has the same name."
      })
  private String name;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Write results.json here; - is stdout, in place of the table.")
  private Path json;

  @Override
  public Integer call() {
    boolean toStdout = json != null && json.toString().equals("-");
    if (json != null && !toStdout) {
      Outputs.requireFree(common, json, "--json", folder, text);
    }
    if (name != null && name.isBlank()) {
      throw new InputException("--name is empty; give one, or leave it out for the folder's");
    }
    Sources.requireAtLeast("--samples", samples, 1);
    Sources.requireAtLeast("--questions", questions, 1);
    Sources.requireBetween("--digits", digits, 1, 18);
    List<EvalTask> chosen = EvalTask.parse(tasks);
    int trained = Sources.config(folder).maxPositionEmbeddings();
    List<Integer> at = Lengths.parse(lengths == null ? Integer.toString(trained) : lengths);
    EvalOptions options = options();
    Tokenizer tokenizer = Tokenizer.load(folder);
    Results results;
    ModelFacts facts;
    try (LoadedModel loaded = LoadedModel.open(folder, common);
        SessionModel model = new SessionModel(name(), loaded.model(), tokenizer)) {
      SessionMemory.require(loaded.model(), at.getLast(), "--lengths");
      List<Cell> cells =
          new Evaluator(options).run(model, chosen, at, samples, common.seed(), common.progress());
      results = new Results(source(), settings(), cells);
      facts = facts(loaded.model());
    }
    requireSomething(results.cells());
    if (toStdout) {
      common.out().println(text(results, facts).strip());
    } else {
      if (json != null) {
        AtomicFile.write(json, text(results, facts));
      }
      print(results.cells(), at);
    }
    common.out().flush();
    return ExitCode.OK;
  }

  /** The results with what a report wants to know of the model. */
  private static String text(Results results, ModelFacts facts) {
    ObjectNode o = results.toJson();
    ObjectNode model = ReportFiles.toJson(facts);
    model.remove("source"); // the results themselves
    o.putArray("models").add(model);
    return ReadableJson.text(o);
  }

  private ModelFacts facts(HybridTransformer model) {
    return ReportModels.of(
        name(),
        model.config(),
        model.plan(),
        model.style(),
        Sources.nativeContext(folder),
        Sources.storedType(folder),
        DType.F32,
        folder.toString());
  }

  /**
   * Refuses an evaluation of which not one cell could be measured: that is bad input, no result.
   */
  private static void requireSomething(List<Cell> cells) {
    List<String> why = new ArrayList<>();
    for (Cell c : cells) {
      switch (c.outcome()) {
        case Cell.Measured _ -> {
          return;
        }
        case Cell.Skipped s -> why.add(notMeasured(c, s));
      }
    }
    throw new InputException(
        "nothing was measured: "
            + String.join("; ", why)
            + "; give longer --lengths, another --style or other --tasks");
  }

  private static String notMeasured(Cell c, Cell.Skipped s) {
    return c.task() + " at " + Lengths.format(c.length()) + ": " + s.reason();
  }

  private EvalOptions options() {
    EvalOptions o =
        EvalOptions.ruler()
            .withStyle(style)
            .withScoring(scoring)
            .withQuestions(questions)
            .withDigits(digits);
    if (text == null) {
      return o;
    }
    PlainText source = TextCorpus.file(text);
    Haystack haystack = new TextHaystack(source, Split.TEST);
    return o.withText(source).withHaystack(haystack);
  }

  private String name() {
    return name == null ? folder.toAbsolutePath().normalize().getFileName().toString() : name;
  }

  private Results.Source source() {
    return new Results.Source(
        folder.toString(), BuildInfo.commit(), common.seed(), common.commandLine());
  }

  private Map<String, String> settings() {
    return Map.of(
        "style", style.name().toLowerCase(Locale.ROOT),
        "scoring", scoring.name().toLowerCase(Locale.ROOT),
        "haystack", text == null ? "generated prose" : text.toString(),
        "questions", Integer.toString(questions),
        "digits", Integer.toString(digits));
  }

  private void print(List<Cell> cells, List<Integer> lengths) {
    PrintWriter out = common.out();
    Table t = new Table("task", "length", "result", "95% interval", "samples", "tokens/s");
    for (Cell c : cells) {
      switch (c.outcome()) {
        case Cell.Measured m -> t.row(row(c, m));
        case Cell.Skipped s -> t.row(c.task(), Lengths.format(c.length()), "–", "–", 0, "–");
      }
    }
    t.print(out);
    for (Cell c : cells) {
      if (c.outcome() instanceof Cell.Skipped s) {
        out.println("not measured: " + notMeasured(c, s));
      }
    }
  }

  private static Object[] row(Cell c, Cell.Measured m) {
    boolean loss = !Double.isNaN(m.loss());
    String result =
        loss
            ? String.format(Locale.ROOT, "loss %.3f", m.loss())
            : String.format(Locale.ROOT, "%.3f", m.accuracy());
    String interval =
        loss
            ? String.format(
                Locale.ROOT,
                "%.3f…%.3f",
                -Math.log(m.interval().high()),
                -Math.log(m.interval().low()))
            : String.format(Locale.ROOT, "%.3f…%.3f", m.interval().low(), m.interval().high());
    return new Object[] {
      c.task(),
      Lengths.format(c.length()),
      result,
      interval,
      m.samples(),
      String.format(Locale.ROOT, "%,.0f", m.tokens() / Math.max(m.seconds(), 1e-9))
    };
  }
}
