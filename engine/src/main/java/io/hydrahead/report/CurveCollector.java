package io.hydrahead.report;

import io.hydrahead.report.ReportInput.Curve;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/** Gathers the lines of a training log into curves by model, stage and column. */
public final class CurveCollector {
  private static final Set<String> NOT_A_LOSS =
      Set.of(
          "kind", "stage", "step", "tokens", "model", "grad_norm", "lr", "seconds", "end_of_stage");

  private record Key(String model, String stage, String quantity) {}

  private record Point(double tokens, double value) {}

  private final String source;
  private final Map<Key, List<Point>> points = new LinkedHashMap<>();

  /**
   * @param source the log's name in the report
   */
  public CurveCollector(String source) {
    this.source = source;
  }

  /** Takes the numbers of a {@code step} line; other lines are passed over. */
  public void add(JsonNode line) {
    if (!line.path("kind").asString("").equals("step")) {
      return;
    }
    for (String name : line.propertyNames()) {
      JsonNode value = line.get(name);
      if (value.isNumber() && !NOT_A_LOSS.contains(name)) {
        Key key =
            new Key(line.path("model").asString("model"), line.path("stage").asString(""), name);
        points
            .computeIfAbsent(key, k -> new ArrayList<>())
            .add(new Point(line.path("tokens").asDouble(0), value.doubleValue()));
      }
    }
  }

  public List<Curve> curves() {
    List<Curve> out = new ArrayList<>();
    points.forEach((k, p) ->
        out.add(
            new Curve(
                k.model,
                k.stage,
                k.quantity,
                p.stream().mapToDouble(Point::tokens).toArray(),
                p.stream().mapToDouble(Point::value).toArray(),
                source)));
    return out;
  }
}
