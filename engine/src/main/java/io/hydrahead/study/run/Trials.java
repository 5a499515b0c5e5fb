package io.hydrahead.study.run;

import io.hydrahead.json.Json;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.study.results.StudyReport;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/**
 * What trials of learning rates came to: each in a file of its own, or, where only a study's
 * results were kept, in their {@code study.json}.
 */
final class Trials {
  private final Workshop shop;

  Trials(Workshop shop) {
    this.shop = shop;
  }

  /** The trial of a family with a factor of the rates, if it was made. */
  Optional<JsonNode> find(String family, double factor) {
    Path file = shop.folder().trial(family, factor);
    if (Files.isRegularFile(file)) {
      return Optional.of(Json.read(file));
    }
    StudyRecipe.Sweep sweep = shop.recipe().sweep();
    for (JsonNode t : StudyFacts.before(shop).path(StudyReport.TRIALS)) {
      if (t.path("family").asString("").equals(family)
          && t.path("factor").asDouble(0) == factor
          && t.path("arm").asString("").equals(sweep.families().get(family))
          && t.path("seed").asInt(-1) == sweep.seed()
          && t.path("share").asDouble(0) == sweep.share()) {
        return Optional.of(t);
      }
    }
    return Optional.empty();
  }

  /** All that were made, by family and factor. */
  List<JsonNode> all() {
    StudyRecipe.Sweep sweep = shop.recipe().sweep();
    List<JsonNode> out = new ArrayList<>();
    for (String family : sweep.families().keySet()) {
      sweep.all().forEach(factor -> find(family, factor).ifPresent(out::add));
    }
    return out;
  }
}
