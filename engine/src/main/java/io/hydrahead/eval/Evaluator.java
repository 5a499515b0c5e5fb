package io.hydrahead.eval;

import io.hydrahead.data.Fit;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs tasks at lengths on a model: RULER's (Hsieh et al., arXiv:2404.06654), MQAR, a phone book,
 * and perplexity.
 *
 * <ul>
 *   <li>Recall: the share of an answer's parts that the model gives ({@link Scoring} says how that
 *       is seen), averaged over an example's questions and then over the examples, in [0, 1], with
 *       Wilson's 95% interval over the examples.
 *   <li>Perplexity: mean next-token cross-entropy in nats over texts of the length; as accuracy
 *       e^−loss, with the interval of the mean.
 * </ul>
 */
public final class Evaluator {
  private final EvalOptions options;

  /**
   * @param options how examples are made and scored
   */
  public Evaluator(EvalOptions options) {
    this.options = options;
  }

  /**
   * One cell for each task and length, tasks outermost; a cell is skipped, with the reason, where
   * no example of the task fits the length. Every model gets the same examples for the same seed
   * and tokenizer.
   *
   * @param lengths in tokens, prompt and reply together
   * @param samples examples a cell, at least 1
   * @throws InputException if {@code samples} is less, or the model's memory does not suffice
   * @throws java.util.concurrent.CancellationException if {@code progress} asks to stop
   */
  public List<Cell> run(
      EvalModel model,
      List<EvalTask> tasks,
      List<Integer> lengths,
      int samples,
      long seed,
      Progress progress) {
    if (samples < 1) {
      throw new InputException("samples = " + samples + ": at least 1 is needed");
    }
    ExampleSource source = new ExampleSource(options, model.codec(), seed);
    List<Cell> out = new ArrayList<>();
    for (EvalTask task : tasks) {
      for (int length : lengths) {
        progress.begin(task.id() + " " + Lengths.format(length), samples, "examples");
        try {
          Cell.Outcome outcome =
              task.isRecall()
                  ? recall(model, source, task, length, samples, progress)
                  : loss(model, source, length, samples, progress);
          out.add(new Cell(model.name(), task.id(), length, seed, outcome));
        } finally {
          progress.end();
        }
      }
    }
    return out;
  }

  private Cell.Outcome recall(
      EvalModel model,
      ExampleSource source,
      EvalTask task,
      int length,
      int samples,
      Progress progress) {
    double sum = 0;
    long nanos = 0;
    long tokens = 0;
    for (int i = 0; i < samples; i++) {
      progress.throwIfCancelled();
      Fit<Example> fit = source.example(task, length, i);
      if (fit instanceof Fit.DoesNotFit<Example>(int smallest)) {
        return new Cell.Skipped(
            smallest,
            task.id() + " needs at least " + smallest + " tokens in " + options.style() + " style");
      }
      Example example = ((Fit.Found<Example>) fit).value();
      long start = System.nanoTime();
      sum += score(model, example);
      nanos += System.nanoTime() - start;
      tokens += example.tokens();
      progress.advance(i + 1, "recall %.2f".formatted(sum / (i + 1)));
    }
    return new Cell.Measured(
        sum / samples, Interval.wilson(sum, samples), Double.NaN, samples, nanos / 1e9, tokens);
  }

  /** Recall on one example, in [0, 1]. */
  private double score(EvalModel model, Example example) {
    List<Example.Question> questions = example.questions();
    double sum = 0;
    switch (options.scoring()) {
      case GENERATE -> {
        List<int[]> outputs = model.generate(example);
        for (int q = 0; q < questions.size(); q++) {
          String text = model.codec().decode(outputs.get(q));
          sum += Metric.stringMatchAll(text, questions.get(q).references());
        }
      }
      case TEACHER_FORCED -> {
        List<boolean[]> matches = model.greedyMatches(example);
        for (int q = 0; q < questions.size(); q++) {
          sum += rightStretches(matches.get(q), questions.get(q).answers());
        }
      }
    }
    return sum / questions.size();
  }

  private static double rightStretches(boolean[] matches, List<int[]> answers) {
    int right = 0;
    int at = 0;
    for (int[] answer : answers) {
      boolean all = true;
      for (int i = 0; i < answer.length; i++) {
        all &= matches[at++];
      }
      right += all ? 1 : 0;
    }
    return (double) right / answers.size();
  }

  private static Cell.Outcome loss(
      EvalModel model, ExampleSource source, int length, int samples, Progress progress) {
    double[] losses = new double[samples];
    long nanos = 0;
    for (int i = 0; i < samples; i++) {
      progress.throwIfCancelled();
      Fit<int[]> fit = source.text(length, i);
      if (fit instanceof Fit.DoesNotFit<int[]>(int available)) {
        return new Cell.Skipped(
            available, "the text has only " + available + " tokens; give a longer one");
      }
      int[] ids = ((Fit.Found<int[]>) fit).value();
      long start = System.nanoTime();
      losses[i] = -Interval.mean(model.tokenLogLikelihoods(ids));
      nanos += System.nanoTime() - start;
      progress.advance(i + 1, "loss %.3f".formatted(losses[i]));
    }
    double mean = Interval.mean(losses);
    Interval bounds = Interval.ofMean(losses);
    Interval probability = new Interval(Math.exp(-bounds.high()), Math.exp(-bounds.low()));
    return new Cell.Measured(
        Math.exp(-mean), probability, mean, samples, nanos / 1e9, (long) samples * length);
  }
}
