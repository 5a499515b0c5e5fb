package io.hydrahead.train;

import io.hydrahead.ops.Environment;
import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.CancellationException;

/**
 * Runs the stages of a {@link TrainingJob} one after the other, in a folder that holds the training
 * log and the last two {@linkplain RunState states}. A run that was killed goes on from its last
 * state and computes the same bits as one that was not, in the same {@link Environment}.
 *
 * <p>A step reads its rows at fixed positions of the data order, adds the gradients of its
 * micro-batches, clips by the global norm and updates; a learner's loss is divided by the token
 * weights of the whole step, so that micro-batches do not change what is computed.
 */
public final class TrainingRun {
  /** The training log's name in the run's folder. */
  public static final String LOG = "training-log.jsonl";

  private final TrainingJob job;
  private final Path folder;
  private final Environment environment;
  private final Progress progress;
  private final List<String> notes = new ArrayList<>();
  private final long totalTokens;
  private TrainingLog log;
  private boolean bitwise = true;
  private long tokens;

  /**
   * @param folder of the run: created when there is none
   * @param environment recorded with every state
   */
  public TrainingRun(TrainingJob job, Path folder, Environment environment, Progress progress) {
    this.job = job;
    this.folder = folder;
    this.environment = environment;
    this.progress = progress;
    this.totalTokens =
        job.stages().stream().mapToLong(s -> s.steps() * s.batching().tokens()).sum();
  }

  /**
   * What a run comes to.
   *
   * @param tokens tokens seen in all
   * @param bitwise whether a second run of the recipe in this environment gives the same bits
   * @param notes what a person should know: states skipped, environments changed
   */
  public record Outcome(long tokens, boolean bitwise, List<String> notes) {}

  /**
   * Trains to the end.
   *
   * @param resume go on from the folder's last state, or from the start when there is none yet
   * @throws CancellationException when {@link Progress#cancelled} says so; the state is saved then
   * @throws InputException if the folder's state belongs to another recipe, or a loss is not finite
   */
  public Outcome run(boolean resume) {
    try {
      Files.createDirectories(folder);
      Optional<RunState> state = resume ? RunState.latest(folder, notes::add) : Optional.empty();
      if (!resume) {
        RunState.deleteAll(folder);
      }
      RunState.Position from =
          state
              .map(RunState::position)
              .orElse(new RunState.Position(job.hash(), 0, 0, 0, 0, 0, 0, environment, true));
      compare(state, from);
      try (TrainingLog opened = TrainingLog.open(folder.resolve(LOG), from.logBytes())) {
        log = opened;
        notes.forEach(this::logNote);
        progress.begin(job.title(), totalTokens, "tokens");
        try {
          stages(state, from);
        } finally {
          progress.end();
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(folder + ": the run's folder cannot be used: " + e, e);
    }
    return new Outcome(tokens, bitwise, List.copyOf(notes));
  }

  private void compare(Optional<RunState> state, RunState.Position from) {
    bitwise = from.bitwise();
    if (state.isEmpty()) {
      return;
    }
    if (!from.recipe().equals(job.hash())) {
      throw new InputException(
          state.get().file()
              + ": was saved by another recipe or other inputs ("
              + from.recipe()
              + ", now "
              + job.hash()
              + "); give those it began with, or start again with --force");
    }
    List<String> differences = environment.differences(from.environment());
    if (!differences.isEmpty()) {
      bitwise = false;
      notes.add("resumed, but not bitwise: " + String.join("; ", differences));
    }
  }

  private void logNote(String text) {
    log.write(Map.of("kind", "note", "text", text));
  }

  private void stages(Optional<RunState> state, RunState.Position from) throws IOException {
    tokens = from.tokens();
    List<Stage> stages = job.stages();
    for (int i = 0; i < stages.size(); i++) {
      Stage stage = stages.get(i);
      job.enter(stage);
      if (i < from.stage()) {
        continue;
      }
      for (Learner l : job.learners()) {
        l.begin(stage);
      }
      long done = 0;
      if (i == from.stage() && state.isPresent()) {
        state.get().restore(everything());
        done = from.step();
        job.learners().forEach(l -> l.restored(from.updates()));
      }
      try (StageWork work = job.open(stage)) {
        stage(i, stage, work, done);
      }
      finishStage(stage);
    }
  }

  private SequencedMap<String, Tensor> everything() {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    job.learners().forEach(l -> out.putAll(l.state()));
    return out;
  }

  private void save(int index, Stage stage, long step) throws IOException {
    RunState.save(
        folder,
        new RunState.Position(
            job.hash(),
            index,
            step,
            step * stage.batching().rows(),
            job.learners().getFirst().updates(),
            tokens,
            log.sync(),
            environment,
            bitwise),
        everything());
  }

  private void stage(int index, Stage stage, StageWork work, long done) throws IOException {
    Stage.Batching b = stage.batching();
    Rows rows = job.training(stage);
    DataOrder order = new DataOrder(job.settings().seed() + index, rows.count());
    try (RowsAhead ahead = ahead(rows, order, b, done * b.rows(), stage.steps() * b.rows())) {
      steps(index, stage, work, done, ahead);
    }
    logEvaluation(stage, stage.steps(), heldOut(stage, work), true);
  }

  private void steps(int index, Stage stage, StageWork work, long done, RowsAhead ahead)
      throws IOException {
    Stage.Batching b = stage.batching();
    Batch[][] turns = {batches(b), batches(b)};
    if (done < stage.steps()) {
      fill(turns[0], ahead);
    }
    double[][] sums = new double[job.learners().size()][work.columns().size()];
    long steps = stage.steps();
    int evaluateEvery = job.settings().evaluateEvery();
    for (long step = done + 1; step <= steps; step++) {
      long start = System.nanoTime();
      Batch[] micros = turns[(int) ((step - 1 - done) % 2)];
      job.learners().forEach(l -> l.grads().clear());
      StageWork.Share share = accumulate(work, micros, true);
      if (step < steps) { // a device is still at work on this step
        fill(turns[(int) ((step - done) % 2)], ahead);
      }
      double lr = stage.schedule().at(step, steps);
      double[] norms = job.learners().stream().mapToDouble(l -> l.update(lr)).toArray();
      work.take(share, sums);
      tokens += b.tokens();
      double seconds = (System.nanoTime() - start) / 1e9;
      logStep(stage, work, step, lr, sums, norms, seconds);
      requireFinite(stage, step, sums, norms);
      report(stage, step, sums);
      if (evaluateEvery > 0 && step % evaluateEvery == 0 && step < steps) {
        logEvaluation(stage, step, heldOut(stage, work), false);
      }
      boolean stop = progress.cancelled();
      if (step % job.settings().saveEvery() == 0 || step == steps || stop) {
        save(index, stage, step);
      }
      if (stop) {
        throw new CancellationException(
            "interrupted after step "
                + step
                + " of stage "
                + stage.name()
                + "; the state is saved, go on with --resume");
      }
    }
  }

  private static void fill(Batch[] micros, RowsAhead ahead) {
    for (Batch m : micros) {
      m.fill(ahead);
    }
  }

  private RowsAhead ahead(Rows rows, DataOrder order, Stage.Batching b, long first, long end) {
    Ops ops = job.learners().getFirst().model().ops();
    RowsAhead.Readers readers = new RowsAhead.Readers(ops.pool().threads(), !ops.memory().host());
    return new RowsAhead(rows, order, b.context(), first, end, b.rows(), readers);
  }

  static Batch[] batches(Stage.Batching b) {
    Batch[] out = new Batch[b.micros()];
    for (int m = 0; m < out.length; m++) {
      out[m] = new Batch(b.microRows(), b.context());
    }
    return out;
  }

  static StageWork.Share accumulate(StageWork work, Batch[] micros, boolean gradients) {
    double weight = 0;
    for (Batch m : micros) {
      weight += m.totalWeight();
    }
    StageWork.Share share = new StageWork.Share(weight, micros.length);
    for (Batch m : micros) {
      work.run(m, share, gradients);
    }
    return share;
  }

  /** Mean of each column over the held-out rows, in order from the first. */
  private double[][] heldOut(Stage stage, StageWork work) {
    Stage.Batching b = stage.batching();
    Rows rows = job.heldOut(stage);
    int micros = Math.ceilDiv(job.settings().evaluationRows(), b.microRows());
    Batch[] batches =
        batches(new Stage.Batching(micros * b.microRows(), b.microRows(), b.context()));
    DataOrder order = new DataOrder(job.settings().seed(), rows.count());
    try (RowsAhead ahead = ahead(rows, order, b, 0, (long) micros * b.microRows())) {
      fill(batches, ahead);
    }
    double[][] sums = new double[job.learners().size()][work.columns().size()];
    work.take(accumulate(work, batches, false), sums);
    return sums;
  }

  private void finishStage(Stage stage) {
    for (Learner l : job.learners()) {
      Map<String, Double> more = job.evaluate(stage, l);
      if (!more.isEmpty()) {
        Map<String, Object> line = line("evaluation", stage, stage.steps());
        line.put("model", l.name());
        line.putAll(more);
        log.write(line);
      }
    }
  }

  private Map<String, Object> line(String kind, Stage stage, long step) {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("kind", kind);
    line.put("stage", stage.name());
    line.put("step", step);
    line.put("tokens", tokens);
    return line;
  }

  private void logStep(
      Stage stage,
      StageWork work,
      long step,
      double lr,
      double[][] sums,
      double[] norms,
      double seconds) {
    for (int i = 0; i < sums.length; i++) {
      Map<String, Object> line = line("step", stage, step);
      line.put("model", job.learners().get(i).name());
      for (int c = 0; c < sums[i].length; c++) {
        line.put(work.columns().get(c), sums[i][c]);
      }
      line.put("grad_norm", norms[i]);
      line.put("lr", lr);
      line.put("seconds", Math.round(seconds * 1e6) / 1e6);
      log.write(line);
    }
  }

  private void logEvaluation(Stage stage, long step, double[][] sums, boolean endOfStage) {
    for (int i = 0; i < sums.length; i++) {
      Map<String, Object> line = line("evaluation", stage, step);
      line.put("model", job.learners().get(i).name());
      line.put("held_out_loss", sums[i][0]);
      line.put("end_of_stage", endOfStage);
      log.write(line);
    }
  }

  private static void requireFinite(Stage stage, long step, double[][] sums, double[] norms) {
    for (int i = 0; i < sums.length; i++) {
      if (!Double.isFinite(sums[i][0]) || !Double.isFinite(norms[i])) {
        throw new InputException(
            "stage "
                + stage.name()
                + ", step "
                + step
                + ": loss "
                + sums[i][0]
                + ", gradient norm "
                + norms[i]
                + "; lower schedule.lr or raise schedule.warmup_steps in the recipe");
      }
    }
  }

  /** Stage and losses; rate and time left are the progress display's own. */
  private void report(Stage stage, long step, double[][] sums) {
    StringBuilder losses = new StringBuilder();
    for (double[] s : sums) {
      losses.append(losses.isEmpty() ? "" : " / ").append(String.format(Locale.ROOT, "%.3f", s[0]));
    }
    progress.advance(
        tokens,
        String.format(Locale.ROOT, "%s %d/%d, loss %s", stage.name(), step, stage.steps(), losses));
  }
}
