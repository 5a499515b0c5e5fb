package io.hydrahead.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToIntFunction;

/**
 * All that a report shows. Every part may be empty: its section is then left out.
 *
 * @param title of the page
 * @param about a sentence or two under the title; may be empty
 * @param models in the order of columns and colours
 * @param cells measured results
 * @param skipped results that could not be measured
 * @param heads scores of the probed model, or {@link HeadScoreMap#NONE}
 * @param curves training losses
 * @param sources where the numbers come from
 * @param system what it was measured on, by name
 */
public record ReportInput(
    String title,
    String about,
    List<ModelFacts> models,
    List<Cell> cells,
    List<Skipped> skipped,
    HeadScoreMap heads,
    List<Curve> curves,
    List<Source> sources,
    Map<String, String> system) {

  /** The title where no file gives one. */
  public static final String DEFAULT_TITLE = "Recall of hybrid attention, by length";

  public ReportInput {
    models = List.copyOf(models);
    cells = List.copyOf(cells);
    skipped = List.copyOf(skipped);
    curves = List.copyOf(curves);
    sources = List.copyOf(sources);
    system = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(system));
  }

  /** Nothing but a title. */
  public static ReportInput empty(String title) {
    return new ReportInput(
        title,
        "",
        List.of(),
        List.of(),
        List.of(),
        HeadScoreMap.NONE,
        List.of(),
        List.of(),
        Map.of());
  }

  /**
   * One measured number.
   *
   * @param metric {@code accuracy} (0 … 1), or another name such as {@code loss}
   * @param value of the metric
   * @param low end of the 95% interval; equal to value where there is none
   * @param length context in tokens
   * @param source file that the number is from: {@link Source#file}
   */
  public record Cell(
      String model,
      String task,
      int length,
      String metric,
      double value,
      double low,
      double high,
      int samples,
      long seed,
      String source) {
    /** The metric of recall. */
    public static final String ACCURACY = "accuracy";

    public boolean isAccuracy() {
      return metric.equals(ACCURACY);
    }
  }

  /** What was asked for and could not be measured, in the words of the step that says so. */
  public record Skipped(String model, String task, int length, String reason) {}

  /**
   * Probe scores of all heads.
   *
   * @param scores [L][H], larger is more retrieval-critical; empty where there are none
   */
  public record HeadScoreMap(double[][] scores, String source) {
    public static final HeadScoreMap NONE = new HeadScoreMap(new double[0][0], "");

    public boolean isEmpty() {
      return scores.length == 0;
    }
  }

  /**
   * A training curve.
   *
   * @param stage of the training that it belongs to
   * @param quantity what it shows, such as {@code loss}
   * @param tokens of the run so far, ascending
   */
  public record Curve(
      String model,
      String stage,
      String quantity,
      double[] tokens,
      double[] values,
      String source) {}

  /**
   * Where numbers come from.
   *
   * @param file the name that cells, models and curves refer to
   * @param settings further settings in words; may be empty
   */
  public record Source(
      String file,
      String command,
      String commit,
      String checkpoint,
      String seed,
      String settings) {}

  /**
   * Several inputs as one, in order. A model described twice keeps what the first description has
   * and takes the rest from the second.
   */
  public static ReportInput merge(String title, List<ReportInput> parts) {
    Map<String, ModelFacts> models = new LinkedHashMap<>();
    List<Cell> cells = new ArrayList<>();
    List<Skipped> skipped = new ArrayList<>();
    HeadScoreMap heads = HeadScoreMap.NONE;
    List<Curve> curves = new ArrayList<>();
    Set<Source> sources = new LinkedHashSet<>();
    Map<String, String> system = new LinkedHashMap<>();
    String about = "";
    for (ReportInput p : parts) {
      p.models.forEach(m -> models.merge(m.name(), m, ModelFacts::or));
      cells.addAll(p.cells);
      skipped.addAll(p.skipped);
      heads = heads.isEmpty() ? p.heads : heads;
      curves.addAll(p.curves);
      sources.addAll(p.sources);
      p.system.forEach(system::putIfAbsent);
      about = about.isEmpty() ? p.about : about;
    }
    return new ReportInput(
        title,
        about,
        List.copyOf(models.values()),
        cells,
        skipped,
        heads,
        curves,
        List.copyOf(sources),
        system);
  }

  /** This with other descriptions of models. */
  ReportInput withModels(List<ModelFacts> others) {
    return new ReportInput(title, about, others, cells, skipped, heads, curves, sources, system);
  }

  /** Names of all models: those described, then those that only have results. */
  public List<String> modelNames() {
    Set<String> names = new LinkedHashSet<>();
    models.forEach(m -> names.add(m.name()));
    cells.forEach(c -> names.add(c.model()));
    curves.forEach(c -> names.add(c.model()));
    return List.copyOf(names);
  }

  /**
   * The length beyond which recall is in question.
   *
   * @param tokens 0 if no model says
   * @param word for it
   */
  record Limit(int tokens, String word) {
    boolean isKnown() {
      return tokens > 0;
    }
  }

  /** The models' native context; where none is known, the one that they were trained for. */
  Limit limit() {
    int first = least(ModelFacts::nativeLength);
    return first > 0
        ? new Limit(first, "native")
        : new Limit(least(ModelFacts::trainedLength), "trained");
  }

  /** Models that were trained for more than the limit. */
  List<ModelFacts> lengthened() {
    int limit = limit().tokens();
    return models.stream().filter(m -> limit > 0 && m.trainedLength() > limit).toList();
  }

  private int least(ToIntFunction<ModelFacts> length) {
    return models.stream().mapToInt(length).filter(n -> n > 0).min().orElse(0);
  }
}
