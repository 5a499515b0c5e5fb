package io.hydrahead.plan;

import io.hydrahead.json.Json;
import io.hydrahead.json.ReadableJson;
import io.hydrahead.json.Spelling;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code plan.json}: {@code full_attention_heads}, the query heads of each layer that stay full,
 * and how they were chosen. Only the first field must be there, so a plan can be written by hand.
 *
 * @param details all other fields, as written
 */
public record PlanFile(HeadPlan plan, JsonNode details) {
  private static final String CELLS = "full_attention_heads";

  /** The content of {@code plan.json} for a plan just chosen. */
  public static PlanFile of(PlanRequest request, HeadPlan plan, Provenance source) {
    HeadShape shape = request.shape();
    PlanChoices choices = request.choices();
    ObjectNode d = Json.object();
    d.put("layers", shape.layers());
    d.put("heads", shape.heads());
    d.put("kv_heads", shape.kvHeads());
    d.put("ratio", request.ratio().toString());
    d.put("axis", PlanChoices.text(choices.axis()));
    d.put("rule", PlanChoices.text(choices.rule()));
    if (choices.axis() == PlanChoices.Axis.HEAD) { // rows know none of these
      d.put("align", PlanChoices.text(choices.align()));
      d.put("floor", PlanChoices.text(choices.floor()));
      d.put("quota", PlanChoices.text(choices.quota()));
    }
    d.put("full_heads", plan.fullCount());
    d.put("real_ratio", Ratio.real(plan.headShare()));
    d.put("head_share", plan.headShare());
    d.put("cache_share", plan.cacheShare(shape.kvHeads()));
    d.put("seed", request.seed());
    d.put("checkpoint", source.checkpoint());
    d.put("commit", source.commit());
    d.put("command", source.command());
    return new PlanFile(plan, d);
  }

  /**
   * Reads a plan for a model.
   *
   * @throws InputException naming the file and field, if it is malformed or for another shape
   */
  public static PlanFile read(Path file, HeadShape shape) {
    return read(Json.read(file), shape, file.toString());
  }

  /** Like {@link #read(Path, HeadShape)}; {@code source} names the JSON in errors. */
  public static PlanFile read(JsonNode json, HeadShape shape, String source) {
    if (!json.isObject() || !json.has(CELLS)) {
      throw new InputException(
          source
              + ": "
              + CELLS
              + " is missing; a plan is {\""
              + CELLS
              + "\": [[heads of layer 0], …]}"
              + Spelling.nearest(CELLS, json.propertyNames().stream())
                  .map(n -> " (there is \"" + n + "\": is it meant?)")
                  .orElse(""));
    }
    requireSame(json, "layers", shape.layers(), source);
    requireSame(json, "heads", shape.heads(), source);
    requireSame(json, "kv_heads", shape.kvHeads(), source);
    HeadPlan plan;
    try {
      plan = HeadPlan.of(lists(json.get(CELLS), source), shape.layers(), shape.heads());
    } catch (InputException e) {
      throw e;
    } catch (IllegalArgumentException e) {
      throw new InputException(
          source + ": " + CELLS + ": " + e.getMessage() + "; make a plan for this checkpoint");
    }
    ObjectNode details = Json.object();
    for (String name : json.propertyNames()) {
      if (!name.equals(CELLS) && !name.equals("schema_version")) {
        details.set(name, json.get(name));
      }
    }
    return new PlanFile(plan, details);
  }

  private static void requireSame(JsonNode json, String name, int model, String source) {
    JsonNode value = json.get(name);
    if (value != null && !(value.isIntegralNumber() && value.asInt(-1) == model)) {
      throw new InputException(
          source
              + ": "
              + name
              + " is "
              + value
              + ", the model has "
              + model
              + "; make a plan for this checkpoint");
    }
  }

  private static List<List<Integer>> lists(JsonNode cells, String source) {
    if (!cells.isArray()) {
      throw new InputException(source + ": " + CELLS + " is " + cells + "; it should be a list");
    }
    List<List<Integer>> out = new ArrayList<>();
    for (JsonNode row : cells) {
      List<Integer> heads = new ArrayList<>();
      String name = CELLS + "[" + out.size() + "]";
      if (!row.isArray()) {
        throw new InputException(
            source + ": " + name + " is " + row + "; it should be a list of heads");
      }
      for (JsonNode head : row) {
        if (!head.isIntegralNumber() || !head.canConvertToInt()) {
          throw new InputException(
              source + ": " + name + " holds " + head + ", which is no head index");
        }
        heads.add(head.intValue());
      }
      out.add(heads);
    }
    return out;
  }

  public ObjectNode toJson() {
    ObjectNode out = Json.object();
    out.put("schema_version", 1);
    ArrayNode cells = out.putArray(CELLS);
    for (List<Integer> row : plan.toLists()) {
      ArrayNode heads = cells.addArray();
      row.forEach(heads::add);
    }
    out.setAll((ObjectNode) details);
    return out;
  }

  /** The text of {@code plan.json}, one layer a line. */
  public String toText() {
    return ReadableJson.text(toJson());
  }
}
