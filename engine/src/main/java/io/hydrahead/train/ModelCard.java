package io.hydrahead.train;

import io.hydrahead.json.Json;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.ops.Environment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/**
 * The {@code README.md} of a trained model. Every number in it was measured in the run: it comes
 * from the model itself, from the training log or from the environment.
 */
public final class ModelCard {
  private final StringBuilder text = new StringBuilder();

  private ModelCard() {}

  /**
   * @param about what the model is for, one sentence
   * @param log text of the training log
   * @param learner whose lines of the log count
   */
  public static String of(
      String name,
      String about,
      HybridTransformer model,
      String learner,
      String log,
      TrainingRun.Outcome outcome,
      Environment environment) {
    ModelCard card = new ModelCard();
    card.line("---\nlicense: apache-2.0\nlibrary_name: hydrahead\n---\n\n# " + name + "\n");
    card.line(about + "\n");
    card.shape(model);
    List<JsonNode> lines = lines(log, learner);
    card.training(lines, outcome);
    card.evaluations(lines);
    card.line("## How to make it again\n");
    card.line(
        "Recipe, tokens and seeds are in the training log's folder; with --deterministic the same "
            + "recipe gives the same bits on the machine that made it: "
            + environment.machine()
            + ", "
            + environment.threads()
            + " threads, "
            + environment.kernel()
            + ", engine build "
            + environment.build()
            + ".");
    if (!outcome.bitwise()) {
      card.line(
          "\nThis run changed its environment on the way and is not reproducible bit by bit.");
    }
    return card.text.toString();
  }

  private void line(String s) {
    text.append(s).append('\n');
  }

  private static List<JsonNode> lines(String log, String learner) {
    List<JsonNode> out = new ArrayList<>();
    for (String line : log.lines().toList()) {
      JsonNode node = Json.parse(line, "the training log");
      if (node.path("model").asString("").equals(learner)) {
        out.add(node);
      }
    }
    return out;
  }

  private void shape(HybridTransformer model) {
    ModelConfig c = model.config();
    line("| shape | |\n|---|---|");
    row("parameters", String.format(Locale.ROOT, "%,d", model.parameters().parameters()));
    row(
        "layers × query heads (KV heads)",
        c.layers() + " × " + c.heads() + " (" + c.kvHeads() + ")");
    row(
        "hidden / head / MLP size",
        c.hiddenSize() + " / " + c.headDim() + " / " + c.intermediateSize());
    row("vocabulary", "" + c.vocabSize());
    row("trained for a context of", c.maxPositionEmbeddings() + " tokens");
    row("full heads", model.plan().fullCount() + " of " + c.layers() * c.heads());
    line("");
  }

  private void row(String name, String value) {
    line("| " + name + " | " + value + " |");
  }

  private void training(List<JsonNode> lines, TrainingRun.Outcome outcome) {
    Map<String, JsonNode> last = new LinkedHashMap<>();
    Map<String, Double> seconds = new LinkedHashMap<>();
    for (JsonNode n : lines) {
      if (n.path("kind").asString("").equals("step")) {
        String stage = n.path("stage").asString("");
        last.put(stage, n);
        seconds.merge(stage, n.path("seconds").asDouble(0), Double::sum);
      }
    }
    line("## Training\n");
    line(String.format(Locale.ROOT, "%,d tokens in all.\n", outcome.tokens()));
    line("| stage | steps | tokens so far | last loss | time in steps |\n|---|---|---|---|---|");
    last.forEach((stage, n) ->
        line(
            String.format(
                Locale.ROOT,
                "| %s | %,d | %,d | %.4f | %.0f s |",
                stage,
                n.path("step").asLong(0),
                n.path("tokens").asLong(0),
                n.path("loss").asDouble(Double.NaN),
                seconds.get(stage))));
    line("");
  }

  private void evaluations(List<JsonNode> lines) {
    Map<String, Map<String, String>> byStage = new LinkedHashMap<>();
    for (JsonNode n : lines) {
      if (n.path("kind").asString("").equals("evaluation")) {
        Map<String, String> values =
            byStage.computeIfAbsent(n.path("stage").asString(""), s -> new LinkedHashMap<>());
        for (String field : n.propertyNames()) {
          JsonNode v = n.get(field);
          if (v.isFloatingPointNumber()) {
            values.put(field, String.format(Locale.ROOT, "%.4f", v.doubleValue()));
          }
        }
      }
    }
    line("## Measured at the end of each stage\n");
    line("| stage | measure | value |\n|---|---|---|");
    byStage.forEach((stage, values) ->
        values.forEach((k, v) -> line("| " + stage + " | " + k + " | " + v + " |")));
    line("");
  }
}
