package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.json.Json;
import io.hydrahead.plan.MemoryPlan;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.JsonNode;

/**
 * What a run says of its arm in {@code arm.json}. Fields that a run did not write read as empty or
 * NaN, and show as a dash.
 */
record ReportedArm(String arm, int seed, JsonNode json) {
  static ReportedArm read(Path file, String arm, int seed) {
    return new ReportedArm(arm, seed, Json.read(file));
  }

  String text(String name) {
    JsonNode v = json.path(name);
    return v.isMissingNode() || v.isNull() ? "" : v.isString() ? v.stringValue() : v.toString();
  }

  double number(String name) {
    JsonNode v = json.path(name);
    return v.isNumber() ? v.doubleValue() : Double.NaN;
  }

  /** What it takes in memory, as far as the run wrote that; 0 where it did not. */
  MemoryPlan memory() {
    return new MemoryPlan(
        whole("parameters"),
        0,
        whole("kv_bytes_per_token"),
        whole("window_bytes_per_token"),
        whole("window_tokens"),
        whole("state_bytes"),
        0,
        0);
  }

  /** Whether heads keep a window of the last tokens. */
  boolean hasWindows() {
    return memory().windowBytesPerToken() > 0;
  }

  private long whole(String name) {
    return json.path(name).asLong(0);
  }

  /** Workers that shared the device while it was trained. */
  int workers() {
    return Math.max(1, json.path("workers").asInt(1));
  }

  /** The name that readers see. */
  String label() {
    String label = text("label");
    return label.isEmpty() ? arm : label;
  }

  /**
   * "align 3.0M of 2K at 4.5e-3 / distil 9.0M of 2K at 2.3e-3": stages, their tokens, tokens a text
   * and learning rates.
   *
   * @param contexts tokens a text of each stage; empty where nobody wrote them down
   */
  String stages(JsonNode contexts) {
    List<String> out = new ArrayList<>();
    for (JsonNode stage : json.path("stages")) {
      JsonNode lr = stage.path("lr");
      String rate =
          lr.isNumber()
              ? " at "
                  + String.format(Locale.ROOT, "%.1e", lr.doubleValue())
                      .replace("e-0", "e-")
                      .replace(".0e", "e")
              : "";
      out.add(
          stage.path("name").asString("")
              + " "
              + Numbers.count(stage.path("tokens").asDouble(Double.NaN))
              + (contexts.path(out.size()).isInt()
                  ? " of " + Lengths.format(contexts.get(out.size()).intValue())
                  : "")
              + rate);
    }
    return String.join(" / ", out);
  }
}
