package io.hydrahead.report;

import io.hydrahead.report.ReportInput.Cell;
import io.hydrahead.report.ReportInput.Source;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** The report's tables; numbers are right-aligned in columns of equal digits. */
final class Tables {
  private static final int[] LENGTHS = {1 << 12, 1 << 15, 1 << 17, 1 << 19};

  private final ReportInput input;
  private final List<String> names;
  private final List<String> files = new ArrayList<>();

  Tables(ReportInput input) {
    this.input = input;
    names = input.modelNames();
    input.sources().forEach(s -> files.add(s.file()));
  }

  private static Markup begin(Markup m) {
    return m.open("div", "class", "scroll").open("table");
  }

  private static void end(Markup m) {
    m.close().close();
  }

  private static void head(Markup m, List<String> columns, int textColumns) {
    m.open("thead").open("tr");
    for (int i = 0; i < columns.size(); i++) {
      m.element("th", columns.get(i), "scope", "col", "class", i < textColumns ? "text" : "num");
    }
    m.close().close();
  }

  private void name(Markup m, String model) {
    m.open("th", "scope", "row", "class", "text");
    Look.legend(m, names.indexOf(model), model);
    m.close();
  }

  private static void number(Markup m, String text) {
    m.element("td", text.isEmpty() ? "–" : text, "class", text.isEmpty() ? "num none" : "num");
  }

  /** One row a model: budget, size, recall at key lengths over all tasks. */
  Markup models(Findings findings) {
    Markup m = new Markup();
    m.open("div", "class", "scroll").open("table", "class", "stacked");
    List<Integer> lengths = findings.shownLengths();
    List<String> columns =
        new ArrayList<>(
            List.of("Model", "Plan", "Full heads", "Linear : full", "KV cache kept", "Parameters"));
    int limit = input.limit().tokens();
    for (int n : lengths) {
      columns.add(
          "Recall at "
              + Show.length(n)
              + (limit > 0 ? " (" + Show.factor(n / (double) limit) + "×)" : ""));
    }
    head(m, columns, 2);
    m.open("tbody");
    for (ModelFacts f : input.models()) {
      ModelFacts.Memory memory = f.memory();
      m.open("tr");
      name(m, f.name());
      m.open("td", "class", "text").text(f.kind().words());
      cite(m, f.source());
      m.close();
      number(m, f.hasPlan() ? f.fullCount() + " / " + f.cells() : "");
      number(m, f.hasPlan() ? ratio(f) : "");
      number(m, f.hasPlan() ? Show.percentColumn(f.cacheShare()) + "%" : "");
      number(m, memory.isKnown() ? Show.count(memory.parameters()) : "");
      for (int n : lengths) {
        Recall.Pool p = findings.pooled().getOrDefault(f.name(), Map.of()).get(n);
        if (p == null) {
          number(m, "");
        } else {
          share(m, p.accuracy(), p.low(), p.high());
        }
      }
      m.close();
    }
    m.close();
    end(m);
    return m;
  }

  private static String ratio(ModelFacts f) {
    int full = f.fullCount();
    return full == 0 || full == f.cells()
        ? ""
        : Show.factor((f.cells() - full) / (double) full) + " : 1";
  }

  /** Weights, cache a token and state: what the lengths are computed from. */
  Markup sizes() {
    Markup m = new Markup();
    begin(m);
    head(m, List.of("Computed from", "Weights", "KV cache a token", "State"), 1);
    m.open("tbody");
    for (ModelFacts f : input.models()) {
      if (f.memory().isKnown()) {
        m.open("tr");
        name(m, f.name());
        number(m, Show.bytes(f.memory().parameterBytes()));
        number(m, Show.bytes(f.memory().kvBytesPerToken()));
        number(m, Show.bytes(f.memory().stateBytes()));
        m.close();
      }
    }
    m.close();
    end(m);
    return m;
  }

  /** Cache and state by length. */
  Markup memory() {
    Markup m = new Markup();
    begin(m);
    List<String> columns = new ArrayList<>(List.of("KV cache + state"));
    for (int n : LENGTHS) {
      columns.add(Show.length(n));
    }
    head(m, columns, 1);
    m.open("tbody");
    for (ModelFacts f : input.models()) {
      if (f.memory().isKnown()) {
        m.open("tr");
        name(m, f.name());
        for (int n : LENGTHS) {
          number(m, Show.bytes(f.memory().cacheBytes(n)));
        }
        m.close();
      }
    }
    m.close();
    end(m);
    return m;
  }

  /** Every accuracy cell of some tasks: a row for each task and length, a column for each model. */
  Markup accuracies(List<String> tasks) {
    List<Cell> some =
        input.cells().stream().filter(c -> c.isAccuracy() && tasks.contains(c.task())).toList();
    return cells(some, true);
  }

  /** Every cell of another metric. */
  Markup others(String metric) {
    return cells(input.cells().stream().filter(c -> c.metric().equals(metric)).toList(), false);
  }

  private Markup cells(List<Cell> some, boolean shares) {
    List<String> models =
        names.stream().filter(n -> some.stream().anyMatch(c -> c.model().equals(n))).toList();
    Markup m = new Markup();
    begin(m);
    List<String> columns = new ArrayList<>(List.of("Task", "Length"));
    columns.addAll(models);
    columns.addAll(List.of("Samples", "Seed", "Source"));
    m.open("thead").open("tr");
    for (String c : columns) {
      boolean isModel = models.contains(c);
      m.open("th", "scope", "col", "class", c.equals("Task") ? "text" : "num");
      if (isModel) {
        Look.legend(m, names.indexOf(c), c);
      } else {
        m.text(c);
      }
      m.close();
    }
    m.close().close().open("tbody");
    Set<String> tasks = new LinkedHashSet<>();
    some.forEach(c -> tasks.add(c.task()));
    for (String task : tasks) {
      Set<Integer> lengths = new TreeSet<>();
      some.stream().filter(c -> c.task().equals(task)).forEach(c -> lengths.add(c.length()));
      boolean first = true;
      for (int length : lengths) {
        List<Cell> row =
            some.stream().filter(c -> c.task().equals(task) && c.length() == length).toList();
        m.open("tr", "class", first ? "first" : "");
        m.open("th", "scope", "row", "class", "text");
        if (first) {
          m.element("code", task);
        }
        m.close();
        number(m, Show.length(length));
        for (String model : models) {
          value(m, row.stream().filter(c -> c.model().equals(model)).toList(), shares);
        }
        number(m, samples(row));
        number(
            m,
            row.stream()
                .map(c -> Long.toString(c.seed()))
                .distinct()
                .collect(Collectors.joining(" / ")));
        m.open("td", "class", "num");
        row.stream().map(Cell::source).distinct().forEach(s -> cite(m, s));
        m.close().close();
        first = false;
      }
    }
    m.close();
    end(m);
    return m;
  }

  /** Samples of each model, once where they are equal. */
  private static String samples(List<Cell> row) {
    return row.stream()
        .collect(
            Collectors.groupingBy(
                Cell::model, LinkedHashMap::new, Collectors.summingInt(Cell::samples)))
        .values()
        .stream()
        .filter(n -> n > 0)
        .distinct()
        .map(String::valueOf)
        .collect(Collectors.joining(" / "));
  }

  private static void value(Markup m, List<Cell> found, boolean shares) {
    if (found.isEmpty()) {
      number(m, "");
      return;
    }
    if (shares) {
      Recall.Pool p = Recall.pool(found).orElseThrow();
      share(m, p.accuracy(), p.low(), p.high());
      return;
    }
    Cell c = found.getLast();
    m.open("td", "class", "num").text(Show.loss(c.value()));
    range(m, c.low(), c.high(), Show.loss(c.low()), Show.loss(c.high()));
    m.close();
  }

  /** Percent with its interval, and a bar as long behind it. */
  private static void share(Markup m, double value, double low, double high) {
    m.open("td", "class", "num share", "style", "--p:" + Markup.number(100 * value) + "%");
    m.text(Show.percentColumn(value));
    range(m, low, high, Show.percentColumn(low), Show.percentColumn(high));
    m.close();
  }

  private static void range(Markup m, double low, double high, String from, String to) {
    m.element("span", high > low ? from + "–" + to : "", "class", "range");
  }

  /** A reference to a source; nothing where it is not known. */
  void cite(Markup m, String file) {
    int at = files.indexOf(file);
    if (at >= 0) {
      m.text(" ")
          .element("a", "[" + (at + 1) + "]", "href", "#source-" + (at + 1), "class", "cite");
    }
  }

  /** What could not be measured, and why. */
  Markup skipped() {
    Markup m = new Markup();
    begin(m);
    m.open("thead").open("tr");
    m.element("th", "Task", "scope", "col", "class", "text");
    m.element("th", "Length", "scope", "col", "class", "num");
    m.element("th", "Models", "scope", "col", "class", "text");
    m.element("th", "Why", "scope", "col", "class", "text");
    m.close().close().open("tbody");
    Map<List<Object>, List<String>> models = new LinkedHashMap<>();
    for (ReportInput.Skipped s : input.skipped()) {
      models
          .computeIfAbsent(List.of(s.task(), s.length(), s.reason()), k -> new ArrayList<>())
          .add(s.model());
    }
    models.forEach((what, who) -> {
      m.open("tr").open("th", "scope", "row", "class", "text");
      m.element("code", what.get(0).toString()).close();
      number(m, Show.length((Integer) what.get(1)));
      m.element("td", String.join(", ", who), "class", "text");
      m.element("td", what.get(2).toString(), "class", "text wrap").close();
    });
    m.close();
    end(m);
    return m;
  }

  Markup sources() {
    Markup m = new Markup();
    m.open("ol", "class", "sources");
    for (int i = 0; i < input.sources().size(); i++) {
      Source s = input.sources().get(i);
      m.open("li", "id", "source-" + (i + 1));
      m.element("code", s.file(), "class", "file");
      m.open("dl");
      detail(m, "command", s.command(), true);
      detail(m, "checkpoint", s.checkpoint(), true);
      detail(m, "commit", s.commit(), true);
      detail(m, "seed", s.seed(), false);
      detail(m, "settings", s.settings(), false);
      m.close().close();
    }
    return m.close();
  }

  Markup system() {
    Markup m = new Markup();
    m.open("dl", "class", "system");
    for (Map.Entry<String, String> e : input.system().entrySet()) {
      detail(m, e.getKey(), e.getValue(), false);
    }
    return m.close();
  }

  private static void detail(Markup m, String name, String value, boolean code) {
    if (!value.isEmpty()) {
      m.element("dt", name);
      m.open("dd");
      if (code) {
        m.element("code", value);
      } else {
        m.text(value);
      }
      m.close();
    }
  }
}
