package io.hydrahead.study.eval;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.data.Split;
import io.hydrahead.eval.Interval;
import io.hydrahead.json.Fields;
import io.hydrahead.json.Json;
import io.hydrahead.json.ReadableJson;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A finished cell, with every haystack's score: all that statistics need.
 *
 * @param arm name of the model's arm
 * @param seed of its training
 * @param checkpoint hash of the model
 * @param haystackHash of the haystacks: equal for models that saw the same
 * @param scores of each haystack: recall in [0, 1], or the mean cross-entropy in nats
 * @param exact of each haystack the share of questions with the whole answer right; empty for
 *     perplexity
 * @param buckets of perplexity, by position
 * @param work what it took
 */
public record CellResult(
    String arm,
    int seed,
    CellSpec spec,
    String checkpoint,
    String haystackHash,
    double[] scores,
    double[] exact,
    List<Bucket> buckets,
    Work work) {
  private static final int SCHEMA_VERSION = 1;

  /**
   * A stretch of places.
   *
   * @param from first place, from 0: what is predicted there is token from + 1
   * @param to place behind the last
   * @param losses mean cross-entropy of each text in nats
   */
  public record Bucket(int from, int to, double[] losses) {}

  /**
   * @param device in words
   * @param seconds from the first haystack to the last answer
   * @param tokens read, haystacks and questions together
   */
  public record Work(String device, double seconds, long tokens) {}

  /** Mean of the scores. */
  public double mean() {
    return mean(scores);
  }

  static double mean(double[] values) {
    double sum = 0;
    for (double v : values) {
      sum += v;
    }
    return sum / values.length;
  }

  /** Writes the file whole or not at all; an earlier one is replaced. */
  void write(Path file) {
    AtomicFile.write(file, ReadableJson.text(toJson()));
  }

  /** The file's content in one line. */
  public String line() {
    return toJson().toString();
  }

  private ObjectNode toJson() {
    ObjectNode o = Json.object();
    o.put("schema", "hydrahead.study.cell").put("schema_version", SCHEMA_VERSION);
    o.put("model", arm).put("seed", seed).put("task", spec.task()).put("length", spec.length());
    if (spec.isRecall()) {
      double sum = mean() * scores.length;
      Interval i = Interval.wilson(sum, scores.length);
      o.put("accuracy", mean()).put("low", i.low()).put("high", i.high());
      o.put("exact_answers", mean(exact));
      o.put("scoring", spec.isGenerated() ? "generated" : "first_choices");
    } else {
      o.put("loss", mean());
    }
    o.put("samples", scores.length).put("questions_at_most", spec.questions());
    o.put("split", spec.split().name().toLowerCase(Locale.ROOT));
    o.put("checkpoint_hash", checkpoint).put("haystack_hash", haystackHash);
    o.put("device", work.device).put("seconds", rounded(work.seconds)).put("tokens", work.tokens);
    put(o.putArray("scores"), scores);
    if (spec.isRecall()) {
      put(o.putArray("exact"), exact);
    } else {
      ArrayNode list = o.putArray("buckets");
      for (Bucket b : buckets) {
        ObjectNode e = list.addObject().put("from", b.from).put("to", b.to);
        put(e.putArray("losses"), b.losses);
      }
    }
    return o;
  }

  private static void put(ArrayNode list, double[] values) {
    for (double v : values) {
      list.add(rounded(v));
    }
  }

  private static double rounded(double v) {
    return Math.rint(v * 1e6) / 1e6;
  }

  /**
   * Reads a cell's file.
   *
   * @throws io.hydrahead.tensor.InputException naming the file and the field that is wrong
   */
  public static CellResult read(Path file) {
    return read(Fields.read(file));
  }

  /** Reads a cell from its JSON object. */
  public static CellResult read(Fields f) {
    if (f.integer("schema_version", 0, 1_000_000) != SCHEMA_VERSION) {
      throw f.error("schema_version", "is unknown; this program reads version " + SCHEMA_VERSION);
    }
    double[] scores = numbers(f, "scores");
    CellSpec spec =
        new CellSpec(
            f.text("task"),
            f.integer("length", 1, Integer.MAX_VALUE),
            scores.length,
            f.integer("questions_at_most", 0, 1_000_000),
            f.choice("split", Split.class));
    List<Bucket> buckets = new ArrayList<>();
    if (!spec.isRecall()) {
      for (Fields b : f.objects("buckets")) {
        int from = b.integer("from", 0, Integer.MAX_VALUE);
        buckets.add(
            new Bucket(from, b.integer("to", from, Integer.MAX_VALUE), numbers(b, "losses")));
      }
    }
    return new CellResult(
        f.text("model"),
        f.integer("seed", 0, Integer.MAX_VALUE),
        spec,
        f.text("checkpoint_hash"),
        f.text("haystack_hash"),
        scores,
        spec.isRecall() ? numbers(f, "exact") : new double[0],
        List.copyOf(buckets),
        new Work(
            f.text("device"), f.number("seconds", 0, 1e12), f.count("tokens", 0, Long.MAX_VALUE)));
  }

  private static double[] numbers(Fields f, String name) {
    JsonNode list = f.has(name) ? f.node().get(name) : null;
    if (list == null || !list.isArray() || list.isEmpty()) {
      throw f.error(name, "must be a list of numbers with at least one entry");
    }
    double[] out = new double[list.size()];
    for (int i = 0; i < out.length; i++) {
      if (!list.get(i).isNumber()) {
        throw f.error(name, "must hold numbers only");
      }
      out[i] = list.get(i).doubleValue();
    }
    return out;
  }
}
