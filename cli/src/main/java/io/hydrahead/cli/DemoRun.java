package io.hydrahead.cli;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.data.TextCodec;
import io.hydrahead.eval.Cell;
import io.hydrahead.eval.EvalOptions;
import io.hydrahead.eval.EvalTask;
import io.hydrahead.eval.Evaluator;
import io.hydrahead.eval.Lengths;
import io.hydrahead.eval.Results;
import io.hydrahead.eval.SessionModel;
import io.hydrahead.json.Json;
import io.hydrahead.json.ReadableJson;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.plan.Conversion;
import io.hydrahead.plan.HeadScale;
import io.hydrahead.plan.HeadScores;
import io.hydrahead.plan.HeadShape;
import io.hydrahead.plan.PlanFile;
import io.hydrahead.plan.PlanRequest;
import io.hydrahead.plan.PlanRules;
import io.hydrahead.plan.Provenance;
import io.hydrahead.plan.ReportModels;
import io.hydrahead.probe.HeadProbe;
import io.hydrahead.probe.PairSource;
import io.hydrahead.probe.ProbeOptions;
import io.hydrahead.probe.ProbeResult;
import io.hydrahead.report.CurveCollector;
import io.hydrahead.report.ModelFacts;
import io.hydrahead.report.Report;
import io.hydrahead.report.ReportFiles;
import io.hydrahead.report.ReportInput;
import io.hydrahead.tensor.DType;
import io.hydrahead.tokenizer.Tokenizer;
import io.hydrahead.train.DataCorpus;
import io.hydrahead.train.Fingerprint;
import io.hydrahead.train.Learner;
import io.hydrahead.train.RunFolder;
import io.hydrahead.train.TrainingRun;
import io.hydrahead.transfer.Transfer;
import io.hydrahead.transfer.TransferRecipe;
import io.hydrahead.transfer.Transfers;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * The demo's steps, each leaving its file in the output folder. What is finished is kept in the
 * run's folder too, so that an interrupted demo goes on from there.
 */
final class DemoRun {
  static final String REPORT = "report.html";
  private static final String HEADS = "heads.json";
  private static final String RESULTS = "results.json";
  private static final String TEACHER = "Transformer";
  private static final int CALIBRATION_TEXTS = 16;

  private final CommonOptions common;
  private final DemoRecipe demo;
  private final Ops ops;
  private final RunFolder run;
  private final Tokenizer tokenizer;
  private final TextCodec codec;
  private DemoState state;
  private final List<ModelFacts> facts = new ArrayList<>();
  private final List<Cell> cells = new ArrayList<>();

  DemoRun(CommonOptions common, DemoRecipe demo, Ops ops, RunFolder run) {
    this.common = common;
    this.demo = demo;
    this.ops = ops;
    this.run = run;
    tokenizer = Tokenizer.load(demo.teacher());
    codec = Texts.codec(tokenizer);
  }

  void run() {
    try (HybridTransformer teacher =
        HybridTransformer.load(demo.teacher(), ops, ModelFiles.LoadOptions.FLOAT32)) {
      state = DemoState.begin(run.work(), fingerprint(teacher), run.resume());
      HeadScores scores = probe(teacher);
      List<Learner> arms = new ArrayList<>();
      try {
        arms.addAll(convert(teacher, scores));
        List<ReportInput.Curve> curves = transfer(teacher, arms);
        evaluate(teacher, arms);
        report(scores, curves);
      } finally {
        arms.forEach(a -> {
          a.model().close();
          a.close();
        });
      }
    }
  }

  private String fingerprint(HybridTransformer teacher) {
    return new Fingerprint()
        .add(demo.source().toString())
        .add(Json.read(demo.transfer()).toString())
        .add(teacher.parameters())
        .hex();
  }

  private void step(String text) {
    common.notice(String.format(Locale.ROOT, "[%4.0f s] %s", state.seconds(), text));
  }

  private HeadScores probe(HybridTransformer teacher) {
    Optional<HeadScores> kept = state.scores();
    step("probe: which heads retrieve?" + (kept.isPresent() ? " (kept from before)" : ""));
    HeadScores scores =
        kept.orElseGet(() -> {
          HeadScores measured = measure(teacher);
          state.keep(measured);
          return measured;
        });
    AtomicFile.write(file(HEADS), scores.toText());
    return scores;
  }

  private HeadScores measure(HybridTransformer teacher) {
    DemoRecipe.Probe p = demo.probe();
    PairSource pairs =
        new PairSource(
            codec, demo.evaluation().style(), p.length(), p.pairs(), demo.evaluation().seed());
    List<int[]> texts =
        p.texts() == 0
            ? List.of()
            : Texts.rows(codec, null, p.length(), p.texts(), demo.evaluation().seed());
    ProbeOptions d = ProbeOptions.DEFAULT;
    ProbeOptions options =
        new ProbeOptions(d.threshold(), d.minimumGap(), p.senderPairs(), d.rounds(), p.texts() > 0);
    ProbeResult result =
        new HeadProbe(teacher, options, common.progress()).run(pairs.make(), texts);
    Map<String, Object> details = new LinkedHashMap<>();
    details.put("checkpoint", demo.teacher().toString());
    details.put("commit", BuildInfo.commit());
    details.put("command", common.commandLine());
    details.put("seed", demo.evaluation().seed());
    return result.toHeadScores(details);
  }

  private List<Learner> convert(HybridTransformer teacher, HeadScores scores) {
    step("plan and convert " + demo.arms().size() + " hybrids");
    TransferRecipe recipe = TransferRecipe.read(demo.transfer());
    ModelConfig c = teacher.config();
    List<int[]> texts =
        Texts.rows(
            codec, null, c.maxPositionEmbeddings(), CALIBRATION_TEXTS, recipe.settings().seed());
    double[][] scale = HeadScale.measure(teacher, texts, common.progress());
    Table t =
        new Table("model", "full heads", "cache share", "parameters", "cache at 4K", "at 512K");
    describe(TEACHER, teacher, demo.teacher().toString(), t);
    List<Learner> arms = new ArrayList<>();
    for (DemoRecipe.Arm arm : demo.arms()) {
      PlanRequest request =
          new PlanRequest(
              HeadShape.of(c), arm.ratio(), arm.choices(), scores, demo.evaluation().seed());
      HeadPlan plan = PlanRules.select(request);
      Provenance source =
          new Provenance(
              demo.teacher().toString(),
              BuildInfo.commit(),
              common.commandLine(),
              demo.evaluation().seed());
      String planFile = planFile(arm);
      AtomicFile.write(file(planFile), PlanFile.of(request, plan, source).toText());
      HybridTransformer student = Conversion.convert(teacher, plan, recipe.conversion(), scale);
      arms.add(new Learner(arm.name(), student));
      describe(arm.name(), student, planFile, t);
    }
    t.print(common.out());
    common.out().println();
    common.out().flush();
    return arms;
  }

  private void describe(String name, HybridTransformer m, String source, Table t) {
    ModelFacts f =
        ReportModels.of(
            name,
            m.config(),
            m.plan(),
            m.style(),
            Sources.nativeContext(demo.teacher()),
            DType.BF16,
            DType.F32,
            source);
    facts.add(f);
    t.row(
        name,
        m.plan().fullCount() + " of " + m.plan().layers() * m.plan().heads(),
        Table.percent(m.plan().cacheShare(m.config().kvHeads())),
        String.format(Locale.ROOT, "%,d", m.parameters().parameters()),
        Table.bytes(f.memory().cacheBytes(4096)),
        Table.bytes(f.memory().cacheBytes(524_288)));
  }

  private List<ReportInput.Curve> transfer(HybridTransformer teacher, List<Learner> arms) {
    step("transfer: align, distil, lengthen; all hybrids on the same batches");
    TransferRecipe recipe = TransferRecipe.read(demo.transfer());
    DataCorpus corpus =
        new DataCorpus(DataCorpus.sources(recipe.stages()), tokenizer, recipe.settings().seed());
    Transfer transfer =
        new Transfer(
            recipe,
            teacher,
            arms,
            corpus,
            Transfers.hash(demo.transfer(), recipe, teacher, arms, corpus),
            Transfer.Evaluation.NONE);
    new Transfers(ops, common.progress())
        .train(transfer, run.work(), run.resume())
        .notes()
        .forEach(n -> common.notice("hydrahead: " + n));
    for (int i = 0; i < arms.size(); i++) {
      HybridTransformer m = arms.get(i).model();
      String name = arms.get(i).name();
      save(m, demo.arms().get(i));
      facts.replaceAll(
          f -> f.name().equals(name) ? f.trainedFor(m.config().maxPositionEmbeddings()) : f);
    }
    return curves();
  }

  private List<ReportInput.Curve> curves() {
    CurveCollector curves = new CurveCollector(TrainingRun.LOG);
    run.log().lines().forEach(line -> curves.add(Json.parse(line, TrainingRun.LOG)));
    return curves.curves();
  }

  private void save(HybridTransformer model, DemoRecipe.Arm arm) {
    model.save(
        file(arm.folder()),
        new ModelFiles.SaveOptions(
            DType.BF16, false, demo.teacher(), TrainingSummary.producer(common)));
  }

  private void evaluate(HybridTransformer teacher, List<Learner> arms) {
    DemoRecipe.Evaluation e = demo.evaluation();
    Map<String, HybridTransformer> models = new LinkedHashMap<>();
    models.put(TEACHER, teacher);
    arms.forEach(a -> models.put(a.name(), a.model()));
    int index = 0;
    for (Map.Entry<String, HybridTransformer> m : models.entrySet()) {
      Optional<List<Cell>> kept = state.cells(index);
      step("evaluate: " + m.getKey() + (kept.isPresent() ? " (kept from before)" : ""));
      List<Cell> measured = kept.isPresent() ? kept.get() : evaluate(m.getKey(), m.getValue());
      if (kept.isEmpty()) {
        state.keep(index, results(measured));
      }
      cells.addAll(measured);
      index++;
    }
    table(List.copyOf(models.keySet()));
  }

  private List<Cell> evaluate(String name, HybridTransformer model) {
    DemoRecipe.Evaluation e = demo.evaluation();
    try (SessionModel asked = new SessionModel(name, model, tokenizer)) {
      return new Evaluator(EvalOptions.ruler().withStyle(e.style()))
          .run(asked, e.tasks(), e.lengths(), e.samples(), e.seed(), common.progress());
    }
  }

  private Results results(List<Cell> some) {
    DemoRecipe.Evaluation e = demo.evaluation();
    return new Results(
        new Results.Source(
            demo.teacher().toString(), BuildInfo.commit(), e.seed(), common.commandLine()),
        Map.of("style", e.style().name().toLowerCase(Locale.ROOT)),
        some);
  }

  private void table(List<String> models) {
    DemoRecipe.Evaluation e = demo.evaluation();
    List<String> header = new ArrayList<>(List.of("recall"));
    e.lengths().forEach(l -> header.add(Lengths.format(l)));
    for (EvalTask task : e.tasks()) {
      header.set(0, task.id());
      Table t = new Table(header.toArray(String[]::new));
      for (String model : models) {
        List<Object> row = new ArrayList<>(List.of(model));
        for (int length : e.lengths()) {
          row.add(cell(model, task.id(), length));
        }
        t.row(row.toArray());
      }
      t.print(common.out());
      common.out().println();
    }
    common.out().flush();
  }

  private String cell(String model, String task, int length) {
    for (Cell c : cells) {
      if (c.model().equals(model) && c.task().equals(task) && c.length() == length) {
        return switch (c.outcome()) {
          case Cell.Skipped s -> "–";
          case Cell.Measured m ->
              Double.isNaN(m.loss())
                  ? String.format(
                      Locale.ROOT,
                      "%.2f [%.2f, %.2f]",
                      m.accuracy(),
                      m.interval().low(),
                      m.interval().high())
                  : String.format(Locale.ROOT, "loss %.3f", m.loss());
        };
      }
    }
    return "–";
  }

  private void report(HeadScores scores, List<ReportInput.Curve> curves) {
    ReportInput measured = ReportFiles.read(results(cells).toJson(), RESULTS);
    Map<String, String> system = new LinkedHashMap<>();
    system.put("compute", ops.description());
    system.put("Java", System.getProperty("java.vm.name") + " " + Runtime.version());
    system.put(
        "machine",
        System.getProperty("os.name")
            + " "
            + System.getProperty("os.arch")
            + ", "
            + common.threads()
            + " threads");
    system.put(
        "seconds",
        String.format(Locale.ROOT, "%.0f", state.seconds())
            + (state.sittings() > 1 ? ", in " + state.sittings() + " sittings" : ""));
    ReportInput input =
        new ReportInput(
            "One Transformer, three hybrids",
            "The bundled tiny Transformer was probed for its retrieval heads, converted into three"
                + " hybrids, and each was taught on the same batches. Scores, recall and losses were"
                + " measured by the run that wrote this page; memory is computed from the shapes.",
            facts,
            measured.cells(),
            measured.skipped(),
            ReportModels.of(scores, HEADS),
            curves,
            sources(measured.sources()),
            system);
    AtomicFile.write(file(RESULTS), ReadableJson.text(ReportFiles.toJson(input)));
    AtomicFile.write(file(REPORT), Report.html(input));
    step("done");
  }

  /** Every file that a number of the page is from. */
  private List<ReportInput.Source> sources(List<ReportInput.Source> measured) {
    List<ReportInput.Source> out = new ArrayList<>(measured);
    out.add(source(HEADS, "the probe's scores"));
    out.add(source(TrainingRun.LOG, "losses of " + demo.transfer().getFileName()));
    out.add(source(demo.teacher().toString(), "the teacher's config.json"));
    for (DemoRecipe.Arm arm : demo.arms()) {
      out.add(source(planFile(arm), "the plan; memory is computed from it"));
    }
    return out;
  }

  private ReportInput.Source source(String file, String what) {
    String seed = Long.toString(demo.evaluation().seed());
    return new ReportInput.Source(
        file, common.commandLine(), BuildInfo.commit(), demo.teacher().toString(), seed, what);
  }

  private static String planFile(DemoRecipe.Arm arm) {
    return "plan-" + arm.folder() + ".json";
  }

  private Path file(String name) {
    return run.out().path().resolve(name);
  }
}
