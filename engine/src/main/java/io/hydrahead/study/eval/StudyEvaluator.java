package io.hydrahead.study.eval;

import io.hydrahead.data.PlainText;
import io.hydrahead.data.TextCodec;
import io.hydrahead.eval.Example;
import io.hydrahead.eval.Lengths;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Goes through the cells of a model. Every finished cell is a file of its own, so an interrupted
 * evaluation goes on where it was. While the device works on one cell, threads make the haystacks
 * of the next.
 */
public final class StudyEvaluator implements AutoCloseable {
  private final EvaluationRecipe recipe;
  private final TextCodec codec;
  private final ExecutorService makers;
  private final HaystackFiles haystacks;

  /** Of folders as they were first seen: the cells that are kept in one file. */
  private final Map<Path, List<CellResult>> kept = new HashMap<>();

  /**
   * @param codec the tokenizer of all models
   * @param heldOut text of perplexity, by split
   * @param cache folder that keeps haystacks for the next model
   * @param threads that make haystacks
   */
  public StudyEvaluator(
      EvaluationRecipe recipe, TextCodec codec, PlainText heldOut, Path cache, int threads) {
    this.recipe = recipe;
    this.codec = codec;
    makers =
        Executors.newFixedThreadPool(
            threads, Thread.ofPlatform().daemon().name("haystacks-", 0).factory());
    haystacks = new HaystackFiles(recipe, codec, heldOut, cache, makers);
  }

  private long haystackSeed(int seed) {
    return recipe.seed() + seed;
  }

  /** Whether {@code cell} is there for this model, with these haystacks or more of them. */
  private boolean isFinished(CellSpec cell, int seed, Path armFolder, String checkpoint) {
    Path file = KeptCells.cell(armFolder, cell);
    Optional<CellResult> found =
        Files.isRegularFile(file)
            ? Optional.of(CellResult.read(file))
            : kept.computeIfAbsent(armFolder, KeptCells::read).stream()
                .filter(c -> c.spec().file().equals(cell.file()))
                .findFirst();
    return found
        .filter(there -> there.checkpoint().equals(checkpoint))
        .filter(there -> there.spec().haystacks() >= cell.haystacks())
        .filter(
            there -> there.haystackHash().equals(haystacks.fingerprint(cell, haystackSeed(seed))))
        .isPresent();
  }

  /**
   * Whether all cells are finished: no model need be loaded to know.
   *
   * @throws InputException naming a cell's file that is damaged
   */
  public boolean complete(List<CellSpec> cells, int seed, Path armFolder, String checkpoint) {
    return cells.stream().allMatch(c -> isFinished(c, seed, armFolder, checkpoint));
  }

  /**
   * Makes the haystacks of {@code cells} that are not there yet, for all models of the seeds.
   *
   * @throws java.util.concurrent.CancellationException if {@code progress} asks to stop
   */
  public void prepare(List<CellSpec> cells, List<Integer> seeds, Progress progress) {
    long all = cells.stream().mapToLong(CellSpec::tokens).sum() * seeds.size();
    progress.begin("haystacks", all, "tokens");
    try {
      long done = 0;
      for (int seed : seeds) {
        for (CellSpec cell : cells) {
          progress.throwIfCancelled();
          haystacks.begin(cell, haystackSeed(seed)).take();
          done += cell.tokens();
          progress.advance(done, cell.task() + " " + Lengths.format(cell.length()));
        }
      }
    } finally {
      progress.end();
    }
  }

  /**
   * Evaluates what is not finished of {@code cells} and writes {@code armFolder/cells}.
   *
   * @return the results of all {@code cells}, in their order
   * @throws InputException if a cell cannot be made, or a finished one's file is damaged
   * @throws java.util.concurrent.CancellationException if {@code progress} asks to stop; finished
   *     cells stay
   */
  public List<CellResult> evaluate(
      Subject subject, List<CellSpec> cells, Path armFolder, Progress progress) {
    List<CellSpec> missing =
        cells.stream()
            .filter(c -> !isFinished(c, subject.seed(), armFolder, subject.checkpoint()))
            .sorted(Comparator.comparingInt(CellSpec::length))
            .toList();
    run(subject, missing, progress, r -> r.write(KeptCells.cell(armFolder, r.spec())));
    return cells.stream().map(c -> CellResult.read(KeptCells.cell(armFolder, c))).toList();
  }

  /**
   * Mean recall over the recipe's development cells, each counting the same: what tuning looks at.
   *
   * @throws InputException if the recipe has none
   */
  public double devScore(Subject subject, Progress progress) {
    List<Double> means = new ArrayList<>();
    List<CellSpec> cells = recipe.dev().stream().filter(CellSpec::isRecall).toList();
    if (cells.isEmpty()) {
      throw new InputException("evaluation.dev has no recall cells; tuning needs one");
    }
    run(subject, cells, progress, r -> means.add(r.mean()));
    return means.stream().mapToDouble(m -> m).average().orElseThrow();
  }

  private interface Sink {
    void accept(CellResult result);
  }

  private void run(Subject subject, List<CellSpec> cells, Progress progress, Sink sink) {
    if (cells.isEmpty()) {
      return;
    }
    long seed = haystackSeed(subject.seed());
    long all = cells.stream().mapToLong(CellSpec::tokens).sum();
    progress.begin("evaluate " + subject.arm() + " seed " + subject.seed(), all, "tokens");
    HaystackFiles.Pending next = haystacks.begin(cells.getFirst(), seed);
    try (Asker asker = new Asker(subject.model(), codec)) {
      long done = 0;
      for (int i = 0; i < cells.size(); i++) {
        CellSpec cell = cells.get(i);
        List<Example> examples = next.take();
        if (i + 1 < cells.size()) {
          next = haystacks.begin(cells.get(i + 1), seed);
        }
        sink.accept(new Cell(subject, cell, examples, asker, progress).run(done));
        done += cell.tokens();
      }
    } finally {
      next.cancel();
      progress.end();
    }
  }

  /** One cell at work. */
  private final class Cell {
    private final Subject subject;
    private final CellSpec spec;
    private final List<Example> examples;
    private final Asker asker;
    private final Progress progress;

    Cell(Subject subject, CellSpec spec, List<Example> examples, Asker asker, Progress progress) {
      this.subject = subject;
      this.spec = spec;
      this.examples = examples;
      this.asker = asker;
      this.progress = progress;
    }

    /**
     * @param before tokens of earlier cells
     */
    CellResult run(long before) {
      long start = System.nanoTime();
      double[] scores = new double[examples.size()];
      double[] exact = new double[spec.isRecall() ? scores.length : 0];
      int[] ends = spec.isRecall() ? new int[0] : ends(spec.length() - 1);
      List<CellResult.Bucket> buckets = buckets(ends, scores.length);
      long tokens = 0;
      double sum = 0;
      for (int i = 0; i < scores.length; i++) {
        progress.throwIfCancelled();
        Example e = examples.get(i);
        if (spec.isRecall()) {
          Asker.Score s = asker.ask(e, spec.length(), spec.isGenerated());
          scores[i] = s.score();
          exact[i] = s.exact();
        } else {
          scores[i] = loss(e.context(), ends, buckets, i);
        }
        tokens += read(e);
        sum += scores[i];
        progress.advance(before + (i + 1L) * spec.length(), note(sum / (i + 1)));
      }
      CellResult.Work work =
          new CellResult.Work(
              subject.model().ops().description(), (System.nanoTime() - start) / 1e9, tokens);
      String hash = haystacks.fingerprint(spec, haystackSeed(subject.seed()));
      return new CellResult(
          subject.arm(),
          subject.seed(),
          spec,
          subject.checkpoint(),
          hash,
          scores,
          exact,
          buckets,
          work);
    }

    private String note(double mean) {
      String what = spec.task() + " " + Lengths.format(spec.length());
      return String.format(Locale.ROOT, spec.isRecall() ? "%s %.2f" : "%s %.3f", what, mean);
    }

    private double loss(int[] ids, int[] ends, List<CellResult.Bucket> buckets, int index) {
      double[] sums = asker.losses(ids, spec.length(), ends);
      double all = 0;
      for (int j = 0; j < sums.length; j++) {
        CellResult.Bucket b = buckets.get(j);
        b.losses()[index] = sums[j] / (b.to() - b.from());
        all += sums[j];
      }
      return all / (ids.length - 1);
    }
  }

  private static long read(Example e) {
    long tokens = e.context().length;
    for (Example.Question q : e.questions()) {
      tokens += q.ids().length + q.maxNew();
    }
    return tokens;
  }

  /** Places at which buckets of log₂ of the position end: 256, 512, 1024 … and {@code last}. */
  private static int[] ends(int last) {
    List<Integer> out = new ArrayList<>();
    for (int end = 256; end < last; end *= 2) {
      out.add(end);
    }
    if (!out.isEmpty() && last - out.getLast() < out.getLast() / 2) {
      out.removeLast();
    }
    out.add(last);
    return out.stream().mapToInt(i -> i).toArray();
  }

  private static List<CellResult.Bucket> buckets(int[] ends, int texts) {
    List<CellResult.Bucket> out = new ArrayList<>();
    int from = 0;
    for (int end : ends) {
      out.add(new CellResult.Bucket(from, end, new double[texts]));
      from = end;
    }
    return out;
  }

  @Override
  public void close() {
    makers.shutdownNow();
  }
}
