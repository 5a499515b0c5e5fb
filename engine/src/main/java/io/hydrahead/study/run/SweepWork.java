package io.hydrahead.study.run;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.json.Json;
import io.hydrahead.study.ArmRecipe;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Trials of learning rates: one arm of each family on a share of the tokens, for each factor of the
 * recipe's rates. The factor with the smallest held-out loss (development split) at the end of the
 * last stage is the family's.
 */
final class SweepWork {
  private static final String LOSS = "held_out_loss";

  private final Workshop shop;
  private final ArmWork arms;
  private final Trials trials;

  SweepWork(Workshop shop, ArmWork arms) {
    this.shop = shop;
    this.arms = arms;
    trials = new Trials(shop);
  }

  boolean done(String family, double factor) {
    return trials.find(family, factor).isPresent();
  }

  void run(String family, double factor) {
    StudyRecipe.Sweep sweep = shop.recipe().sweep();
    ArmRecipe arm = shop.recipe().arm(sweep.families().get(family));
    ObjectNode out = Json.object();
    out.put("family", family);
    out.put("arm", arm.name());
    out.put("seed", sweep.seed());
    out.put("factor", factor);
    out.put("share", sweep.share());
    Path file = shop.folder().trial(family, factor);
    Path work = file.resolveSibling(file.getFileName().toString().replace(".json", ".run"));
    try {
      out.setAll(arms.trial(arm, sweep.seed(), factor, sweep.share(), work));
    } catch (InputException e) { // a rate with which the loss ends: worse than any other
      out.putNull(LOSS);
      out.put("failure", e.getMessage());
    }
    out.put("commit", shop.around().commit());
    out.put(StudyFacts.WORKERS, shop.around().workers());
    AtomicFile.write(file, out, true);
  }

  /** The factor that the arms of {@code family} train with. */
  double best(String family) {
    double best = 1;
    double least = Double.POSITIVE_INFINITY;
    if (shop.recipe().sweep().families().containsKey(family)) {
      for (double factor : shop.recipe().sweep().factors()) {
        JsonNode loss = trials.find(family, factor).orElseThrow().path(LOSS);
        if (loss.isNumber() && loss.doubleValue() < least) {
          least = loss.doubleValue();
          best = factor;
        }
      }
    }
    return best;
  }
}
