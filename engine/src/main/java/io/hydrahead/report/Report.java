package io.hydrahead.report;

import io.hydrahead.report.LineChart.Point;
import io.hydrahead.report.Recall.Pool;
import io.hydrahead.report.ReportInput.Cell;
import io.hydrahead.report.ReportInput.Limit;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** One HTML page with everything in it: text, charts as SVG, tables, style sheet; no scripts. */
public final class Report {
  private static final double HEIGHT = 300;
  private static final int[] LENGTHS = {
    1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 19
  };

  private final ReportInput input;
  private final List<String> names;
  private final Recall recall;
  private final Tables tables;
  private final Markup m = new Markup();

  private Report(ReportInput input) {
    this.input = input;
    names = input.modelNames();
    recall = new Recall(input);
    tables = new Tables(input);
  }

  /** The page; the same input gives the same text. */
  public static String html(ReportInput input) {
    return new Report(input).page();
  }

  private String page() {
    m.raw("<!doctype html>\n").open("html", "lang", "en").open("head");
    m.empty("meta", "charset", "utf-8");
    m.empty("meta", "name", "viewport", "content", "width=device-width, initial-scale=1");
    m.empty("meta", "name", "color-scheme", "content", "light dark");
    m.element("title", input.title());
    m.open("style").raw(ReportStyle.page()).close();
    m.close().open("body").open("main");
    header();
    summary();
    recallSection();
    lossSection();
    headSection();
    memorySection();
    new CurveSection(input, tables).write(m);
    cellSection();
    sourceSection();
    return m.close().close().close().toString();
  }

  private void header() {
    m.open("header");
    m.element("p", "HydraHead", "class", "brand");
    m.element("h1", input.title());
    if (!input.about().isEmpty()) {
      m.element("p", input.about(), "class", "lead");
    }
    m.close();
  }

  private void section(String id, String title) {
    m.open("section", "id", id).element("h2", title);
  }

  private void paragraph(String text) {
    m.open("p").rich(text).close();
  }

  private void legend(List<String> models) {
    m.open("div", "class", "keys");
    models.forEach(n -> Look.legend(m, names.indexOf(n), n));
    m.close();
  }

  private void summary() {
    Findings findings = new Findings(input, recall);
    List<String> sentences = findings.sentences();
    if (sentences.isEmpty() && input.models().isEmpty()) {
      return;
    }
    section("summary", "What this shows");
    m.open("ul", "class", "findings");
    for (String s : sentences) {
      m.open("li").rich(s).close();
    }
    m.close();
    if (!findings.caution().isEmpty()) {
      m.element("p", findings.caution(), "class", "caution");
    }
    if (!input.models().isEmpty()) {
      m.append(tables.models(findings));
    }
    m.close();
  }

  private void recallSection() {
    if (recall.isEmpty()) {
      return;
    }
    section("recall", "Recall by length");
    paragraph(
        "Share of right answers against the length of the prompt. Bars are 95% intervals; points of"
            + " one length stand side by side so that their bars can be told apart."
            + dashedLine());
    legend(recall.models());
    Map<String, List<String>> families = recall.families();
    m.open("div", "class", "grid");
    if (recall.tasks().size() > 1) {
      String tasks = recall.tasks().size() + " tasks";
      recallChart(
          "All tasks", "Mean over " + tasks + ", weighted by samples", recall.tasks(), true);
    }
    families.forEach(
        (family, tasks) -> recallChart(family, String.join(", ", tasks), tasks, false));
    m.close().close();
  }

  /** What the guide of the charts is. */
  private String dashedLine() {
    Limit limit = input.limit();
    if (!limit.isKnown()) {
      return "";
    }
    List<ModelFacts> longer = input.lengthened();
    return (limit.word().equals("native")
            ? " The dashed line is the native context, that of the Transformer"
            : " The dashed line is the context that was trained for")
        + (longer.isEmpty()
            ? "."
            : "; trained further: "
                + longer.stream()
                    .map(m -> m.name() + " to " + Show.length(m.trainedLength()))
                    .collect(Collectors.joining(", "))
                + ".");
  }

  private void guide(LineChart chart) {
    Limit limit = input.limit();
    if (limit.isKnown()) {
      chart.guideAt(limit.tokens(), limit.word() + " " + Show.length(limit.tokens()));
    }
  }

  /** Charts of the cells that are no accuracies, such as the loss on plain text. */
  private void lossSection() {
    List<String> kinds =
        input.cells().stream()
            .filter(c -> !c.isAccuracy())
            .map(c -> c.task() + ": " + c.metric())
            .distinct()
            .toList();
    if (kinds.isEmpty()) {
      return;
    }
    section("text", "Likelihood by length");
    paragraph("Lower is better. Bars are 95% intervals.");
    legend(
        names.stream()
            .filter(
                n -> input.cells().stream().anyMatch(c -> !c.isAccuracy() && c.model().equals(n)))
            .toList());
    m.open("div", "class", "grid");
    for (String kind : kinds) {
      lossChart(
          kind,
          input.cells().stream()
              .filter(c -> !c.isAccuracy() && kind.equals(c.task() + ": " + c.metric()))
              .toList());
    }
    m.close().close();
  }

  private void lossChart(String title, List<Cell> cells) {
    double low = cells.stream().mapToDouble(Cell::low).min().orElseThrow();
    double high = cells.stream().mapToDouble(Cell::high).max().orElseThrow();
    TreeSet<Integer> lengths =
        cells.stream().map(Cell::length).collect(Collectors.toCollection(TreeSet::new));
    LineChart chart =
        new LineChart(
            title + " by length",
            Axis.lengths(List.copyOf(lengths), "tokens"),
            Axis.nice(low, high, 5, "", Markup::number),
            HEIGHT);
    guide(chart);
    for (String model : names) {
      chart.add(
          names.indexOf(model),
          cells.stream()
              .filter(c -> c.model().equals(model))
              .sorted(Comparator.comparingInt(Cell::length))
              .map(c ->
                  new Point(
                      c.length(),
                      c.value(),
                      c.low(),
                      c.high(),
                      model + ", " + Show.length(c.length()) + ": " + Show.loss(c.value())))
              .toList());
    }
    figure(title, "Mean over the text's tokens.", chart.draw(), false);
  }

  private void recallChart(String title, String caption, List<String> tasks, boolean lead) {
    Map<String, Map<Integer, Pool>> pooled = recall.pooled(tasks);
    TreeSet<Integer> lengths =
        pooled.values().stream()
            .flatMap(p -> p.keySet().stream())
            .collect(Collectors.toCollection(TreeSet::new));
    if (lengths.isEmpty()) {
      return;
    }
    LineChart chart =
        new LineChart(
            title + ": share of right answers by length",
            Axis.lengths(List.copyOf(lengths), "tokens"),
            Axis.percent(""),
            HEIGHT);
    guide(chart);
    pooled.forEach((model, pools) ->
        chart.add(
            names.indexOf(model),
            pools.entrySet().stream().map(e -> point(model, e.getKey(), e.getValue())).toList()));
    figure(title, caption, chart.draw(), lead);
  }

  private static Point point(String model, int length, Pool p) {
    String title =
        model
            + ", "
            + Show.length(length)
            + ": "
            + Show.percent(p.accuracy())
            + Findings.interval(p)
            + (p.samples() > 0 ? ", n = " + p.samples() : "");
    return new Point(length, p.accuracy(), p.low(), p.high(), title);
  }

  private void figure(String title, String caption, Markup drawing, boolean lead) {
    figure(m, title, caption, drawing, lead);
  }

  static void figure(Markup m, String title, String caption, Markup drawing, boolean lead) {
    m.open("figure", "class", lead ? "lead" : "");
    m.element("h3", title);
    m.append(drawing);
    m.element("figcaption", caption);
    m.close();
  }

  private void headSection() {
    List<ModelFacts> mapped =
        input.models().stream()
            .filter(f -> f.hasPlan() && f.fullCount() > 0 && f.fullCount() < f.cells())
            .toList();
    if (mapped.isEmpty() && input.heads().isEmpty()) {
      return;
    }
    section("heads", "Which heads stay");
    boolean scored = !input.heads().isEmpty();
    m.open("p");
    m.rich(
        scored
            ? "Each cell is an attention head. The stronger its colour, the more the probe found it to"
                + " matter for retrieval: replacing its output by that of a prompt with another needle changes"
                + " the answer. Shades go by the square root of the score. Heads that share a KV"
                + " head stand together."
            : "Each cell is an attention head; heads that share a KV head stand together.");
    tables.cite(m, input.heads().source());
    m.close();
    m.append(HeadMap.key());
    m.open("div", "class", "grid");
    if (mapped.isEmpty()) {
      double[][] s = input.heads().scores();
      ModelFacts none =
          new ModelFacts(
              "Scores",
              java.util.Collections.nCopies(s.length, List.of()),
              s[0].length,
              s[0].length,
              0,
              0,
              ModelFacts.Memory.UNKNOWN,
              "");
      figure("Scores", "No plan was given.", new HeadMap(none, s).draw(), false);
    }
    for (ModelFacts f : mapped) {
      HeadMap map = new HeadMap(f, input.heads().scores());
      double coverage = map.coverage();
      figure(
          f.name(),
          f.fullCount()
              + " of "
              + f.cells()
              + " heads full ("
              + Show.percent(f.fullCount() / (double) f.cells())
              + "), "
              + Show.percent(f.cacheShare())
              + " of the KV cache"
              + (Double.isNaN(coverage)
                  ? "."
                  : "; these heads hold " + Show.percent(coverage) + " of all score."),
          map.draw(),
          false);
    }
    m.close().close();
  }

  private void memorySection() {
    List<ModelFacts> known = input.models().stream().filter(f -> f.memory().isKnown()).toList();
    if (known.isEmpty()) {
      return;
    }
    section("memory", "Memory by length");
    paragraph(
        "What one sequence takes besides the weights: the KV cache of full heads, which grows with"
            + " every token, and the recurrent state of linear heads, which does not. Computed from"
            + " the shapes, not measured. Both axes are logarithmic.");
    legend(known.stream().map(ModelFacts::name).toList());
    double low = Double.POSITIVE_INFINITY;
    double high = 0;
    for (ModelFacts f : known) {
      low = Math.min(low, Math.max(1, f.memory().cacheBytes(LENGTHS[0])));
      high = Math.max(high, f.memory().cacheBytes(LENGTHS[LENGTHS.length - 1]));
    }
    List<Integer> lengths = java.util.Arrays.stream(LENGTHS).boxed().toList();
    LineChart chart =
        new LineChart(
            "KV cache and recurrent state by length",
            Axis.lengths(lengths, "tokens"),
            Axis.bytes(low, Math.max(high, 2 * low), ""),
            HEIGHT);
    for (ModelFacts f : known) {
      chart.add(
          names.indexOf(f.name()),
          lengths.stream()
              .map(n -> {
                double bytes = Math.max(1, f.memory().cacheBytes(n));
                String title = f.name() + ", " + Show.length(n) + ": " + Show.bytes(bytes);
                return new Point(n, bytes, bytes, bytes, title);
              })
              .toList());
    }
    m.open("div", "class", "grid");
    figure("KV cache + recurrent state", "One sequence, 4K to 512K tokens.", chart.draw(), false);
    m.open("div", "class", "beside").append(tables.memory()).append(tables.sizes());
    m.close();
    m.close().close();
  }

  private void cellSection() {
    if (input.cells().isEmpty() && input.skipped().isEmpty()) {
      return;
    }
    section("cells", "Every number");
    if (!recall.isEmpty()) {
      paragraph("Accuracy in percent, and its 95% interval.");
      recall
          .families()
          .forEach((family, tasks) -> m.element("h3", family).append(tables.accuracies(tasks)));
    }
    input.cells().stream()
        .filter(c -> !c.isAccuracy())
        .map(Cell::metric)
        .distinct()
        .forEach(metric -> m.element("h3", metric).append(tables.others(metric)));
    if (!input.skipped().isEmpty()) {
      m.element("h3", "Not measured").append(tables.skipped());
    }
    m.close();
  }

  private void sourceSection() {
    if (input.sources().isEmpty() && input.system().isEmpty()) {
      return;
    }
    section("sources", "Where the numbers come from");
    if (!input.sources().isEmpty()) {
      m.append(tables.sources());
    }
    if (!input.system().isEmpty()) {
      m.element("h3", "Measured on").append(tables.system());
    }
    paragraph(
        "Intervals of single cells are as given in their files; where cells are pooled, Wilson's 95%"
            + " score interval over all samples, at lengths where every model was asked the same"
            + " tasks.");
    m.close();
  }
}
