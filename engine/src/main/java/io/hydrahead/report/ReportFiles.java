package io.hydrahead.report;

import io.hydrahead.json.Json;
import io.hydrahead.report.ReportInput.Cell;
import io.hydrahead.report.ReportInput.Curve;
import io.hydrahead.report.ReportInput.HeadScoreMap;
import io.hydrahead.report.ReportInput.Skipped;
import io.hydrahead.report.ReportInput.Source;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads what other steps write. A file is taken for what it holds: results ({@code cells}), a
 * report's own input ({@code models}, {@code curves}), {@code heads.json} ({@code scores}), {@code
 * plan.json} ({@code full_attention_heads}), or a training log (one JSON object a line).
 */
public final class ReportFiles {
  private ReportFiles() {}

  /**
   * Reads and merges files. Models are joined by their names; a plan without one, which is called
   * after its file, takes the name of the model with the same full heads where there is just one.
   *
   * @throws InputException naming the file and field that is wrong
   */
  public static ReportInput read(List<Path> files) {
    List<ReportInput> parts = new ArrayList<>();
    for (Path file : files) {
      parts.add(
          file.toString().endsWith(".jsonl") ? log(file) : read(Json.read(file), file.toString()));
    }
    String title =
        parts.stream()
            .map(ReportInput::title)
            .filter(t -> !t.equals(ReportInput.DEFAULT_TITLE))
            .findFirst()
            .orElse(ReportInput.DEFAULT_TITLE);
    return ReportInput.merge(title, parts.stream().map(p -> named(p, parts)).toList());
  }

  /** {@code part}, if it is a plan called after its file, under the name of the one it is of. */
  private static ReportInput named(ReportInput part, List<ReportInput> all) {
    if (part.models().size() != 1 || !isPlanCalledAfterItsFile(part)) {
      return part;
    }
    ModelFacts plan = part.models().getFirst();
    List<String> names =
        all.stream()
            .filter(p -> !isPlanCalledAfterItsFile(p))
            .flatMap(p -> p.models().stream())
            .filter(m -> m.heads() == plan.heads() && m.fullHeads().equals(plan.fullHeads()))
            .map(ModelFacts::name)
            .distinct()
            .toList();
    return names.size() == 1 ? part.withModels(List.of(plan.withName(names.getFirst()))) : part;
  }

  private static boolean isPlanCalledAfterItsFile(ReportInput part) {
    return part.cells().isEmpty()
        && part.models().size() == 1
        && part.models().getFirst().name().equals(baseName(part.models().getFirst().source()));
  }

  /** Reads one file's JSON; {@code file} names it in errors and as the numbers' source. */
  public static ReportInput read(JsonNode json, String file) {
    if (!json.isObject()) {
      throw new InputException(file + ": should be a JSON object such as a results.json");
    }
    boolean known = false;
    for (String name :
        List.of("cells", "models", "curves", "scores", "heads", "full_attention_heads")) {
      known |= json.has(name);
    }
    if (!known) {
      throw new InputException(
          file
              + ": has none of cells, models, curves, scores and full_attention_heads, so there is"
              + " nothing to report; give the results.json of hydrahead eval");
    }
    List<ModelFacts> models = new ArrayList<>();
    for (Item m : Item.list(json, "models", file)) {
      models.add(model(m, m.text("name"), m.textOr("source", file)));
    }
    if (json.has("full_attention_heads")) {
      Item plan = new Item(json, "", file);
      models.add(model(plan, plan.textOr("name", baseName(file)), file));
    }
    List<Cell> cells = new ArrayList<>();
    for (Item c : Item.list(json, "cells", file)) {
      cells.add(cell(c, file));
    }
    List<Curve> curves = new ArrayList<>();
    for (Item c : Item.list(json, "curves", file)) {
      curves.add(
          new Curve(
              c.text("model"),
              c.textOr("stage", ""),
              c.textOr("quantity", "loss"),
              c.numbers("tokens"),
              c.numbers("values"),
              c.textOr("source", file)));
    }
    List<Skipped> skipped = new ArrayList<>();
    for (Item c : Item.list(json, "skipped", file)) {
      skipped.add(
          new Skipped(
              c.text("model"), c.text("task"), (int) c.number("length"), c.textOr("reason", "")));
    }
    Item top = new Item(json, "", file);
    return new ReportInput(
        top.textOr("title", ReportInput.DEFAULT_TITLE),
        top.textOr("about", ""),
        models,
        cells,
        skipped,
        heads(json, file),
        curves,
        sources(json, file),
        system(json));
  }

  private static String baseName(String file) {
    String name = Path.of(file).getFileName().toString();
    int dot = name.lastIndexOf('.');
    return dot > 0 ? name.substring(0, dot) : name;
  }

  /**
   * A cell of accuracy; or of {@code metric} where the cell names one; or of loss, where there is a
   * {@code loss}: eval then gives e^−loss as accuracy, and an interval of that.
   */
  private static Cell cell(Item c, String file) {
    int length = (int) c.number("length");
    if (length < 1) {
      throw c.wrong("length", "should be a number of tokens");
    }
    boolean likelihood = !c.has("metric") && c.has("loss");
    String metric = likelihood ? "loss" : c.textOr("metric", Cell.ACCURACY);
    double value = c.number(metric);
    if (metric.equals(Cell.ACCURACY) && !(value >= 0 && value <= 1)) {
      throw c.wrong(Cell.ACCURACY, "should be from 0 to 1");
    }
    double low = c.has("low") ? c.number("low") : value;
    double high = c.has("high") ? c.number("high") : value;
    if (likelihood && c.has("low") && c.has("high")) {
      double worst = -Math.log(low);
      low = -Math.log(high);
      high = worst;
    }
    boolean interval = Double.isFinite(low) && Double.isFinite(high);
    return new Cell(
        c.text("model"),
        c.text("task"),
        length,
        metric,
        value,
        interval ? low : value,
        interval ? high : value,
        (int) c.numberOr("samples", 0),
        (long) c.numberOr("seed", 0),
        c.textOr("source", file));
  }

  private static ModelFacts model(Item m, String name, String source) {
    List<List<Integer>> plan = m.lists("full_attention_heads");
    int widest = plan.stream().flatMap(List::stream).mapToInt(h -> h + 1).max().orElse(0);
    int heads = (int) m.numberOr("heads", 0);
    if (!plan.isEmpty() && heads < widest) {
      throw m.wrong("heads", "should be the number of query heads a layer, at least " + widest);
    }
    int first = (int) m.numberOr("native_length", 0);
    int trained = (int) m.numberOr("trained_length", first);
    boolean hybrid = !plan.isEmpty() && plan.stream().anyMatch(row -> row.size() < heads);
    if (hybrid && !m.has("trained_length")) {
      first = 0; // older files give a hybrid's trained length alone
    }
    return new ModelFacts(
        name,
        plan,
        heads,
        (int) m.numberOr("kv_heads", heads),
        first,
        trained,
        new ModelFacts.Memory(
            (long) m.numberOr("parameters", 0),
            (long) m.numberOr("parameter_bytes", 0),
            (long) m.numberOr("kv_bytes_per_token", 0),
            (long) m.numberOr("state_bytes", 0)),
        source);
  }

  private static HeadScoreMap heads(JsonNode json, String file) {
    JsonNode holder = json.path("heads").isObject() ? json.get("heads") : json;
    if (!holder.has("scores")) {
      return HeadScoreMap.NONE;
    }
    Item item = new Item(holder, "", file);
    double[][] scores = item.matrix("scores");
    return new HeadScoreMap(scores, item.textOr("source", file));
  }

  private static List<Source> sources(JsonNode json, String file) {
    List<Source> out = new ArrayList<>();
    boolean itself = json.has("command") || json.has("commit") || json.has("checkpoint");
    List<Item> given = Item.list(json, "sources", file);
    if (itself || given.isEmpty()) {
      out.add(source(new Item(json, "", file), file));
    }
    for (Item s : given) {
      out.add(source(s, s.text("file")));
    }
    return out;
  }

  private static Source source(Item s, String file) {
    return new Source(
        file,
        s.plain("command"),
        s.plain("commit"),
        s.plain("checkpoint"),
        s.plain("seed"),
        settings(s.node().path("settings")));
  }

  private static String settings(JsonNode settings) {
    if (!settings.isObject()) {
      return settings.asString("");
    }
    List<String> out = new ArrayList<>();
    for (String name : settings.propertyNames()) {
      out.add(name + " " + settings.get(name).asString(settings.get(name).toString()));
    }
    return String.join(", ", out);
  }

  private static Map<String, String> system(JsonNode json) {
    Map<String, String> out = new LinkedHashMap<>();
    JsonNode system = json.path("system");
    for (String name : system.propertyNames()) {
      JsonNode v = system.get(name);
      out.put(name, v.isString() ? v.stringValue() : v.toString());
    }
    return out;
  }

  /** The curves of a training log: every column of its {@code step} lines, by model and stage. */
  private static ReportInput log(Path file) {
    List<String> lines;
    try {
      lines = Files.readAllLines(file);
    } catch (IOException e) {
      throw new InputException(
          file + ": cannot be read: " + e.getMessage() + "; check the path", e);
    }
    CurveCollector curves = new CurveCollector(file.toString());
    int number = 0;
    for (String line : lines) {
      number++;
      if (!line.isBlank()) {
        curves.add(Json.parse(line, file + ", line " + number));
      }
    }
    Source source = new Source(file.toString(), "", "", "", "", "");
    return new ReportInput(
        ReportInput.DEFAULT_TITLE,
        "",
        List.of(),
        List.of(),
        List.of(),
        HeadScoreMap.NONE,
        curves.curves(),
        List.of(source),
        Map.of());
  }

  /** One of the objects of {@code models}. */
  public static ObjectNode toJson(ModelFacts m) {
    ObjectNode o = Json.object();
    o.put("name", m.name());
    if (m.hasPlan()) {
      o.put("heads", m.heads());
      o.put("kv_heads", m.kvHeads());
      o.set("full_attention_heads", Json.of(m.fullHeads()));
    }
    o.put("native_length", m.nativeLength());
    o.put("trained_length", m.trainedLength());
    o.put("parameters", m.memory().parameters());
    o.put("parameter_bytes", m.memory().parameterBytes());
    o.put("kv_bytes_per_token", m.memory().kvBytesPerToken());
    o.put("state_bytes", m.memory().stateBytes());
    o.put("source", m.source());
    return o;
  }

  /** The JSON form of an input, which {@link #read(JsonNode, String)} reads again. */
  public static ObjectNode toJson(ReportInput in) {
    ObjectNode out = Json.object();
    out.put("schema_version", 1);
    out.put("title", in.title());
    out.put("about", in.about());
    ArrayNode models = out.putArray("models");
    for (ModelFacts m : in.models()) {
      models.add(toJson(m));
    }
    ArrayNode cells = out.putArray("cells");
    for (Cell c : in.cells()) {
      ObjectNode o = cells.addObject();
      o.put("model", c.model());
      o.put("task", c.task());
      o.put("length", c.length());
      o.put(c.metric(), c.value());
      o.put("metric", c.metric());
      o.put("low", c.low());
      o.put("high", c.high());
      o.put("samples", c.samples());
      o.put("seed", c.seed());
      o.put("source", c.source());
    }
    out.set("skipped", Json.of(in.skipped()));
    if (!in.heads().isEmpty()) {
      ObjectNode heads = out.putObject("heads");
      heads.put("layers", in.heads().scores().length);
      heads.put("heads", in.heads().scores()[0].length);
      heads.put("source", in.heads().source());
      heads.set("scores", Json.of(in.heads().scores()));
    }
    out.set("curves", Json.of(in.curves()));
    ArrayNode sources = out.putArray("sources");
    for (Source s : in.sources()) {
      ObjectNode o = sources.addObject();
      o.put("file", s.file());
      o.put("command", s.command());
      o.put("commit", s.commit());
      o.put("checkpoint", s.checkpoint());
      if (s.seed().matches("-?\\d{1,18}")) {
        o.put("seed", Long.parseLong(s.seed()));
      }
      o.put("settings", s.settings());
    }
    out.set("system", Json.of(in.system()));
    return out;
  }
}
