package io.hydrahead.cli;

import io.hydrahead.data.TaskStyle;
import io.hydrahead.eval.EvalTask;
import io.hydrahead.eval.Lengths;
import io.hydrahead.json.Fields;
import io.hydrahead.plan.PlanChoices;
import io.hydrahead.plan.Ratio;
import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;

/**
 * What the demo does: the teacher, the probe, the arms, the transfer's recipe and the evaluation.
 *
 * @param teacher folder of the model that is converted
 * @param transfer recipe file of the three stages
 * @param source the recipe as it was read
 */
record DemoRecipe(
    Path teacher,
    Path transfer,
    Probe probe,
    List<Arm> arms,
    Evaluation evaluation,
    JsonNode source) {

  /** Sizes of the probe. */
  record Probe(int length, int pairs, int senderPairs, int texts) {}

  /** One hybrid. */
  record Arm(String name, String folder, Ratio ratio, PlanChoices choices) {}

  /** Tasks, lengths in tokens and examples a cell. */
  record Evaluation(
      List<EvalTask> tasks, List<Integer> lengths, int samples, TaskStyle style, long seed) {}

  /**
   * @throws InputException naming the field that is wrong
   */
  static DemoRecipe read(Path file) {
    Fields f = Fields.read(file);
    f.text("name");
    Path teacher = f.file("teacher");
    Path transfer = f.file("transfer");
    Fields p = f.object("probe");
    Probe probe =
        new Probe(
            p.integer("length", 16, 1 << 20),
            p.integer("pairs", 1, 1000),
            p.integer("sender_pairs", 0, 1000),
            p.integer("texts", 0, 1000));
    p.end();
    List<Arm> arms = new ArrayList<>();
    for (Fields a : f.objects("arms")) {
      PlanChoices.Axis axis = a.choice("axis", PlanChoices.Axis.class);
      PlanChoices choices =
          PlanChoices.DEFAULT
              .with(axis)
              .with(a.choice("rule", PlanChoices.Rule.class, PlanChoices.Rule.defaultFor(axis)));
      arms.add(new Arm(a.text("name"), a.text("folder"), Ratio.parse(a.text("ratio")), choices));
      a.end();
    }
    Fields e = f.object("evaluation");
    List<Integer> lengths = new ArrayList<>();
    for (String s : e.texts("lengths")) {
      lengths.addAll(lengths(e, s));
    }
    Evaluation evaluation =
        new Evaluation(
            EvalTask.parse(String.join(",", e.texts("tasks"))),
            lengths,
            e.integer("samples", 1, 100_000),
            e.choice("style", TaskStyle.class),
            e.count("seed", 0, Long.MAX_VALUE));
    e.end();
    f.end();
    return new DemoRecipe(teacher, transfer, probe, List.copyOf(arms), evaluation, f.node());
  }

  private static List<Integer> lengths(Fields e, String text) {
    try {
      return Lengths.parse(text);
    } catch (InputException wrong) {
      throw e.error("lengths", "is wrong: " + wrong.getMessage());
    }
  }
}
