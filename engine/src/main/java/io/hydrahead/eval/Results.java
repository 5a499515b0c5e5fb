package io.hydrahead.eval;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.json.Fields;
import io.hydrahead.json.Json;
import io.hydrahead.json.ReadableJson;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A results file.
 *
 * @param source where the numbers come from
 * @param settings further fields in words, such as the style of the prompts
 * @param cells measured and skipped ones
 */
public record Results(Source source, Map<String, String> settings, List<Cell> cells) {
  private static final int SCHEMA_VERSION = 1;

  /**
   * Where numbers come from.
   *
   * @param checkpoint folder or name of the model
   * @param commit of this project
   * @param command that made the file
   */
  public record Source(String checkpoint, String commit, long seed, String command) {}

  public Results {
    settings = new TreeMap<>(settings);
    cells = List.copyOf(cells);
  }

  /** The file's content: measured cells under {@code cells}, the others under {@code skipped}. */
  public ObjectNode toJson() {
    ObjectNode o = Json.object();
    o.put("schema", "hydrahead.results");
    o.put("schema_version", SCHEMA_VERSION);
    o.put("checkpoint", source.checkpoint());
    o.put("commit", source.commit());
    o.put("seed", source.seed());
    o.put("command", source.command());
    ObjectNode words = o.putObject("settings");
    settings.forEach(words::put);
    ArrayNode measured = o.putArray("cells");
    ArrayNode skipped = o.putArray("skipped");
    for (Cell c : cells) {
      switch (c.outcome()) {
        case Cell.Measured m -> put(begin(measured, c), m);
        case Cell.Skipped s ->
            begin(skipped, c).put("smallest", s.smallest()).put("reason", s.reason());
      }
    }
    return o;
  }

  private static ObjectNode begin(ArrayNode list, Cell c) {
    return list.addObject()
        .put("model", c.model())
        .put("task", c.task())
        .put("length", c.length())
        .put("seed", c.seed());
  }

  private static void put(ObjectNode o, Cell.Measured m) {
    o.put("accuracy", m.accuracy()).put("low", m.interval().low()).put("high", m.interval().high());
    if (!Double.isNaN(m.loss())) {
      o.put("loss", m.loss());
    }
    o.put("samples", m.samples()).put("seconds", m.seconds()).put("tokens", m.tokens());
  }

  /**
   * Writes the file whole or not at all.
   *
   * @throws io.hydrahead.tensor.InputException if it exists and {@code force} is false
   */
  public void write(Path file, boolean force) {
    AtomicFile.requireFree(file, force);
    AtomicFile.write(file, ReadableJson.text(toJson()));
  }

  /**
   * Reads a file of this format; fields it does not know are left out.
   *
   * @throws io.hydrahead.tensor.InputException naming the file and the field that is wrong
   */
  public static Results read(Path file) {
    Fields f = Fields.read(file);
    if (f.integer("schema_version", 0, Integer.MAX_VALUE, SCHEMA_VERSION) != SCHEMA_VERSION) {
      throw f.error("schema_version", "is unknown; this program reads version " + SCHEMA_VERSION);
    }
    Source source =
        new Source(
            f.text("checkpoint"), f.text("commit"),
            f.count("seed", Long.MIN_VALUE, Long.MAX_VALUE), f.text("command"));
    Map<String, String> settings = new TreeMap<>();
    JsonNode words = f.objectOrEmpty("settings").node();
    words.propertyNames().forEach(n -> settings.put(n, words.get(n).asString()));
    List<Cell> cells = new ArrayList<>();
    for (Fields c : list(f, "cells")) {
      cells.add(cell(c, measured(c)));
    }
    for (Fields c : list(f, "skipped")) {
      Cell.Outcome skipped =
          new Cell.Skipped(c.integer("smallest", 0, Integer.MAX_VALUE), c.text("reason"));
      cells.add(cell(c, skipped));
    }
    return new Results(source, settings, cells);
  }

  private static List<Fields> list(Fields f, String name) {
    return f.has(name) && !f.node().get(name).isEmpty() ? f.objects(name) : List.of();
  }

  private static Cell cell(Fields c, Cell.Outcome outcome) {
    return new Cell(
        c.text("model"),
        c.text("task"),
        c.integer("length", 1, Integer.MAX_VALUE),
        c.count("seed", Long.MIN_VALUE, Long.MAX_VALUE, 0),
        outcome);
  }

  private static Cell.Measured measured(Fields c) {
    return new Cell.Measured(
        c.number("accuracy", 0, 1),
        new Interval(c.number("low", 0, 1), c.number("high", 0, 1)),
        c.has("loss") ? c.number("loss", 0, 1e6) : Double.NaN,
        c.integer("samples", 1, Integer.MAX_VALUE),
        c.number("seconds", 0, 1e12, 0),
        c.count("tokens", 0, Long.MAX_VALUE, 0));
  }
}
