package io.hydrahead.study.run;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.checkpoint.OutputFolder;
import io.hydrahead.json.Json;
import io.hydrahead.study.StudyFolder;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.study.StudyStage;
import io.hydrahead.study.results.StudyReport;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** What must hold before a run writes anything, and the recipe that it leaves in its folder. */
final class Foundation {
  /** Why a study has no report. */
  static final String NO_ROLES =
      "no report: the recipe has no \"roles\", which say which arm is which";

  private final StudyRecipe recipe;
  private final StudyFolder folder;
  private final Path file;

  Foundation(StudyRecipe recipe, StudyFolder folder) {
    this.recipe = recipe;
    this.folder = folder;
    file = folder.root().resolve("recipe.json");
  }

  /** Whether a run has begun in the folder. */
  boolean begun() {
    return Files.isRegularFile(file);
  }

  /**
   * Looks at the folder.
   *
   * @throws InputException if it belongs to another recipe, or its results lie a folder too deep
   */
  void check() {
    if (begun()) {
      requireSameRecipe();
    }
    requireResultsInPlace();
  }

  /** Writes the recipe and those of the arms into the folder. */
  void lay() {
    var whole = Json.object();
    whole.set("study", recipe.json());
    var arms = whole.putObject("arms");
    recipe.arms().forEach((name, arm) -> arms.set(name, arm.transfer()));
    OutputFolder.create(folder.root());
    AtomicFile.write(file, whole, true);
  }

  /**
   * What other units follow from: trials beyond the factors that are chosen from change nothing.
   */
  private static JsonNode chosen(JsonNode study, String field) {
    JsonNode value = study.path(field).deepCopy();
    if (value instanceof ObjectNode o) {
      o.remove("beyond");
    }
    return value;
  }

  private void requireSameRecipe() {
    JsonNode there = Json.read(file);
    for (String field : new String[] {"teacher", "seeds", "probe", "sweep"}) {
      if (!chosen(there.path("study"), field).equals(chosen(recipe.json(), field))) {
        throw new InputException(
            folder.root()
                + ": was begun with another \""
                + field
                + "\" in its recipe; take another -o, or the recipe it was begun with: "
                + file);
      }
    }
    List<String> changed = new ArrayList<>();
    recipe
        .arms()
        .forEach((name, arm) -> {
          JsonNode before = there.path("arms").path(name);
          if (!before.isMissingNode() && !before.equals(arm.transfer())) {
            changed.add(name);
          }
        });
    if (!changed.isEmpty()) {
      throw new InputException(
          folder.root()
              + ": was begun with other recipes of the arms "
              + String.join(", ", changed)
              + "; take another -o, or give the changed arms other names");
    }
  }

  /** Copied to a folder that was there, results lie inside it under their old name. */
  private void requireResultsInPlace() {
    Path results = folder.results();
    if (!Files.isDirectory(results)) {
      return;
    }
    try (Stream<Path> inside = Files.list(results)) {
      inside
          .filter(p -> Files.isRegularFile(p.resolve("study.json")))
          .findFirst()
          .ifPresent(deeper -> {
            throw new InputException(
                deeper
                    + ": holds results that should lie in "
                    + results
                    + " itself; move them: cp -r "
                    + deeper
                    + "/. "
                    + results
                    + " && rm -r "
                    + deeper);
          });
    } catch (IOException e) {
      throw new UncheckedIOException(results + ": cannot be read", e);
    }
  }

  /**
   * What a report needs.
   *
   * @throws InputException if the recipe has no roles, or nothing has been measured
   */
  void requireReportable() {
    if (recipe.roles().node().isEmpty()) {
      throw new InputException(
          recipe.roles().source() + ": " + NO_ROLES + "; add them, as recipes/README.md has them");
    }
    StudyReport.requireMeasured(folder.results());
  }

  /** Where a run's report would be written, or why not. */
  String reportPlan(StudyRun.Part part) {
    if (recipe.roles().node().isEmpty()) {
      return NO_ROLES;
    }
    if (part.stages().equals(Set.of(StudyStage.REPORT))) {
      try {
        StudyReport.requireMeasured(folder.results());
      } catch (InputException e) {
        return "no report: " + e.getMessage();
      }
    }
    return "report: would be written to " + folder.report().resolve(StudyReport.PAGE);
  }

  /**
   * Some unit can be made, if any is to be.
   *
   * @throws InputException saying what the first one needs
   */
  static void requireBeginning(List<Unit> wanted, Map<String, Unit> all, Ledger ledger) {
    Unit first = null;
    for (Unit u : wanted) {
      if (!ledger.done(u)) {
        if (ledger.lacks(u, all).isEmpty()) {
          return;
        }
        first = first == null ? u : first;
      }
    }
    if (first != null) {
      throw new InputException(Worker.stuck(first, ledger.lacks(first, all)));
    }
  }
}
