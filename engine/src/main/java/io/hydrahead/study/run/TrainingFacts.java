package io.hydrahead.study.run;

import io.hydrahead.json.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** What a training log says in all: tokens, seconds, rates and held-out losses of each stage. */
final class TrainingFacts {
  private static final class Stage {
    long tokens;
    double seconds;
    double rate;
    double loss = Double.NaN;
  }

  private final Map<String, Stage> stages = new LinkedHashMap<>();

  private TrainingFacts() {}

  static TrainingFacts of(Path log) {
    TrainingFacts facts = new TrainingFacts();
    long before = 0;
    try {
      for (String line : Files.readAllLines(log)) {
        JsonNode n = Json.parse(line, log.toString());
        String stage = n.path("stage").asString("");
        if (stage.isEmpty()) {
          continue;
        }
        Stage s = facts.stages.computeIfAbsent(stage, _ -> new Stage());
        if (n.path("kind").asString("").equals("step")) {
          long tokens = n.path("tokens").asLong(0);
          s.tokens += tokens - before;
          before = tokens;
          s.seconds += n.path("seconds").asDouble(0);
          s.rate = Math.max(s.rate, n.path("lr").asDouble(0));
        } else if (n.has("held_out_loss")) {
          s.loss = n.path("held_out_loss").asDouble(Double.NaN);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(log + ": cannot be read", e);
    }
    return facts;
  }

  /** {@code tokens}, {@code seconds}, {@code held_out_loss} (of the last stage), {@code stages}. */
  ObjectNode summary() {
    ObjectNode out = Json.object();
    out.put("tokens", stages.values().stream().mapToLong(s -> s.tokens).sum());
    out.put("seconds", round(stages.values().stream().mapToDouble(s -> s.seconds).sum()));
    double last = Double.NaN;
    for (Stage s : stages.values()) {
      last = s.loss;
    }
    if (Double.isFinite(last)) {
      out.put("held_out_loss", last);
    } else {
      out.putNull("held_out_loss");
    }
    ArrayNode list = out.putArray("stages");
    stages.forEach((name, s) -> {
      ObjectNode o = list.addObject();
      o.put("name", name);
      o.put("tokens", s.tokens);
      o.put("lr", s.rate);
      o.put("seconds", round(s.seconds));
      if (Double.isFinite(s.loss)) {
        o.put("held_out_loss", s.loss);
      }
    });
    return out;
  }

  private static double round(double x) {
    return Math.round(x * 1000) / 1000.0;
  }
}
