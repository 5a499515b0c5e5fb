package io.hydrahead.plan;

import io.hydrahead.json.Json;
import io.hydrahead.json.ReadableJson;
import io.hydrahead.json.Spelling;
import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * How retrieval-critical each head is: {@code heads.json}. {@code scores} [L][H], larger is more
 * critical, decides; further [L][H] matrices may stand beside it under the names below, and any
 * other fields. Immutable.
 */
public final class HeadScores {
  /** Mean |IE| before the threshold, larger of receiver and sender: breaks ties. */
  public static final String EFFECT = "mean_effect";

  /** Mean |IE| as receiver. */
  public static final String RECEIVER = "receiver";

  /** Mean |IE| as sender. */
  public static final String SENDER = "sender";

  /** Share of sub-probes in which the effect reaches the threshold. */
  public static final String KAPPA = "kappa";

  /** Rise in cross-entropy on plain text without the head. */
  public static final String GENERAL = "general";

  /** Retrieval-head score by attention patterns: the baseline. */
  public static final String ATTENTION = "attention_score";

  private static final Set<String> OWN = Set.of("schema_version", "layers", "heads", "scores");
  private static final int MANY = 1 << 16;

  private final int layers;
  private final int heads;
  private final double[][] scores;
  private final Map<String, double[][]> matrices;
  private final ObjectNode details;
  private final boolean present;

  private HeadScores(
      double[][] scores, Map<String, double[][]> matrices, ObjectNode details, boolean present) {
    this.layers = scores.length;
    this.heads = scores[0].length;
    this.scores = scores;
    this.matrices = matrices;
    this.details = details;
    this.present = present;
  }

  /** Scores alone, [L][H]. */
  public static HeadScores of(double[][] scores) {
    return of(scores, Map.of(), Map.of());
  }

  /**
   * @param matrices further [L][H] matrices by name
   * @param details any further fields: strings, numbers, lists, maps, records, JSON nodes
   */
  public static HeadScores of(
      double[][] scores, Map<String, double[][]> matrices, Map<String, ?> details) {
    int heads = scores.length == 0 ? 0 : scores[0].length;
    if (heads == 0) {
      throw new IllegalArgumentException("scores are empty");
    }
    Map<String, double[][]> copies = new LinkedHashMap<>();
    matrices.forEach((name, m) -> copies.put(name, copy(name, m, scores.length, heads)));
    ObjectNode further = Json.object();
    details.forEach((name, value) -> further.set(name, Json.of(value)));
    return new HeadScores(copy("scores", scores, scores.length, heads), copies, further, true);
  }

  /** No scores: what a rule gets that needs none. */
  public static HeadScores none(HeadShape shape) {
    return new HeadScores(
        new double[shape.layers()][shape.heads()], Map.of(), Json.object(), false);
  }

  private static double[][] copy(String name, double[][] m, int layers, int heads) {
    double[][] out = new double[layers][];
    for (int l = 0; l < layers; l++) {
      if (m.length != layers || m[l].length != heads) {
        throw new IllegalArgumentException(name + " is not " + layers + " × " + heads);
      }
      out[l] = m[l].clone();
      for (double v : out[l]) {
        if (!Double.isFinite(v)) {
          throw new IllegalArgumentException(name + " of layer " + l + " holds " + v);
        }
      }
    }
    return out;
  }

  /**
   * Reads {@code heads.json}. Only {@code layers}, {@code heads} and {@code scores} must be there.
   *
   * @throws InputException naming the file, the field and what is wrong with it
   */
  public static HeadScores read(Path file) {
    return read(Json.read(file), file.toString());
  }

  /** Like {@link #read(Path)}; {@code source} names the JSON in errors. */
  public static HeadScores read(JsonNode json, String source) {
    if (!json.isObject()) {
      throw new InputException(source + ": should be a JSON object with layers, heads and scores");
    }
    int layers = size(json, "layers", source);
    int heads = size(json, "heads", source);
    if (!json.has("scores")) {
      throw missing(json, "scores", source);
    }
    double[][] scores = matrix(json.get("scores"), "scores", layers, heads, source);
    Map<String, double[][]> matrices = new LinkedHashMap<>();
    ObjectNode details = Json.object();
    Set<String> known = Set.of(EFFECT, RECEIVER, SENDER, KAPPA, GENERAL, ATTENTION);
    for (String name : json.propertyNames()) {
      JsonNode value = json.get(name);
      if (known.contains(name) && !value.isNull()) {
        matrices.put(name, matrix(value, name, layers, heads, source));
      } else if (!OWN.contains(name)) {
        details.set(name, value);
      }
    }
    return new HeadScores(scores, matrices, details, true);
  }

  private static int size(JsonNode json, String name, String source) {
    JsonNode value = json.get(name);
    if (value == null) {
      throw missing(json, name, source);
    }
    if (!value.isIntegralNumber() || value.asInt(0) < 1 || value.asInt(0) > MANY) {
      throw new InputException(
          source + ": " + name + " is " + value + "; it should be a whole number of at least 1");
    }
    return value.intValue();
  }

  private static InputException missing(JsonNode json, String name, String source) {
    return new InputException(
        source
            + ": "
            + name
            + " is missing; heads.json is {\"layers\": L, \"heads\": H, \"scores\": [[…H…]…L…]}"
            + Spelling.nearest(name, json.propertyNames().stream())
                .map(n -> " (there is \"" + n + "\": is it meant?)")
                .orElse(""));
  }

  private static double[][] matrix(
      JsonNode json, String name, int layers, int heads, String source) {
    requireList(json, name, layers, source);
    double[][] out = new double[layers][heads];
    for (int l = 0; l < layers; l++) {
      requireList(json.get(l), name + "[" + l + "]", heads, source);
      for (int h = 0; h < heads; h++) {
        JsonNode v = json.get(l).get(h);
        if (!v.isNumber() || !Double.isFinite(v.doubleValue())) {
          throw new InputException(
              source + ": " + name + "[" + l + "][" + h + "] is " + v + "; it should be a number");
        }
        out[l][h] = v.doubleValue();
      }
    }
    return out;
  }

  private static void requireList(JsonNode json, String name, int length, String source) {
    if (json == null || !json.isArray() || json.size() != length) {
      String found =
          json == null ? "missing" : json.isArray() ? "a list of " + json.size() : json.toString();
      throw new InputException(
          source
              + ": "
              + name
              + " is "
              + found
              + "; by layers and heads it should be a list of "
              + length);
    }
  }

  /** L. */
  public int layers() {
    return layers;
  }

  /** H, query heads a layer. */
  public int heads() {
    return heads;
  }

  /** Whether there are scores at all; not for {@link #none}. */
  public boolean present() {
    return present;
  }

  public double score(int layer, int head) {
    return scores[layer][head];
  }

  /** A copy of the scores, [L][H]. */
  public double[][] scores() {
    return copy("scores", scores, layers, heads);
  }

  /** Whether there is a further matrix of that name. */
  public boolean has(String matrix) {
    return matrices.containsKey(matrix);
  }

  /**
   * A copy of one of the further matrices, [L][H].
   *
   * @throws IllegalArgumentException if there is none of that name
   */
  public double[][] matrix(String name) {
    if (!has(name)) {
      throw new IllegalArgumentException("there is no matrix " + name + " beside the scores");
    }
    return copy(name, matrices.get(name), layers, heads);
  }

  /**
   * Mean |IE| before the threshold, [L][H]: {@link #EFFECT}, or the larger of {@link #RECEIVER} and
   * {@link #SENDER}, or zeros where the file has none of them.
   */
  public double[][] effect() {
    if (has(EFFECT)) {
      return matrix(EFFECT);
    }
    double[][] out = new double[layers][heads];
    for (String name : List.of(RECEIVER, SENDER)) {
      if (has(name)) {
        double[][] m = matrices.get(name);
        for (int l = 0; l < layers; l++) {
          for (int h = 0; h < heads; h++) {
            out[l][h] = Math.max(out[l][h], m[l][h]);
          }
        }
      }
    }
    return out;
  }

  /** Further fields of the file, such as the checkpoint and the command. */
  public JsonNode details() {
    return details.deepCopy();
  }

  /**
   * @throws InputException if these are the scores of a model of another shape
   */
  public void requireShape(HeadShape shape, String source) {
    if (layers != shape.layers() || heads != shape.heads()) {
      throw new InputException(
          source
              + ": scores of "
              + layers
              + " layers × "
              + heads
              + " heads, the model has "
              + shape.layers()
              + " × "
              + shape.heads()
              + "; probe this checkpoint");
    }
  }

  /** The content of {@code heads.json}. */
  public ObjectNode toJson() {
    ObjectNode out = Json.object();
    out.put("schema_version", 1);
    out.put("layers", layers);
    out.put("heads", heads);
    out.setAll(details);
    out.set("scores", array(scores));
    matrices.forEach((name, m) -> out.set(name, array(m)));
    return out;
  }

  /** The text of {@code heads.json}, one layer a line. */
  public String toText() {
    return ReadableJson.text(toJson());
  }

  private static ArrayNode array(double[][] m) {
    ArrayNode rows = Json.object().arrayNode();
    for (double[] row : m) {
      ArrayNode r = rows.addArray();
      for (double v : row) {
        r.add(v);
      }
    }
    return rows;
  }
}
