package io.hydrahead.transfer;

import io.hydrahead.json.Fields;
import io.hydrahead.json.MergePatch;
import io.hydrahead.plan.ConvertRecipe;
import io.hydrahead.train.RunSettings;
import io.hydrahead.train.Stage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A transfer recipe: the stages that turn a converted model into one that behaves like its teacher
 * ({@link Transfer}), each with an {@code objective}: {@code align}, {@code distil} or {@code
 * next_token}.
 *
 * @param name of the recipe
 * @param about one sentence for the model card
 * @param conversion how a student is made from the teacher: {@code style} and {@code initialise}
 * @param namesStyle whether the recipe has a {@code style}, which every student must then have
 */
public record TransferRecipe(
    String name,
    String about,
    ConvertRecipe conversion,
    boolean namesStyle,
    RunSettings settings,
    List<Stage> stages) {
  private enum Kind {
    ALIGN,
    DISTIL,
    NEXT_TOKEN
  }

  /**
   * Reads and checks a recipe file, which may extend another, see {@link MergePatch}.
   *
   * @throws io.hydrahead.tensor.InputException naming the file, the field and what it may be
   */
  public static TransferRecipe read(Path file) {
    return read(MergePatch.fields(file));
  }

  /**
   * Reads and checks a recipe that is at hand as JSON.
   *
   * @throws io.hydrahead.tensor.InputException naming the field and what it may be
   */
  public static TransferRecipe read(Fields f) {
    String name = f.text("name");
    String about = f.text("about", "A hybrid model made by hydrahead transfer.");
    boolean namesStyle = f.has("style");
    ConvertRecipe conversion = ConvertRecipe.read(f);
    RunSettings settings = RunSettings.read(f);
    List<Stage> stages = new ArrayList<>();
    for (Fields s : f.objects("stages")) {
      Kind kind = s.choice("objective", Kind.class);
      Stage.Objective objective =
          switch (kind) {
            case ALIGN -> new Stage.Align(s.flag("normalise", true));
            case DISTIL -> distil(s);
            case NEXT_TOKEN -> new Stage.NextToken();
          };
      stages.add(Stage.read(s, f, objective, kind == Kind.ALIGN ? "attention" : "all"));
      s.end();
    }
    f.end();
    return new TransferRecipe(
        name, about, conversion, namesStyle, settings, Stage.distinct(stages, f));
  }

  private static Stage.Distil distil(Fields s) {
    float kl = (float) s.number("kl_weight", 0, 1000, 1);
    float ce = (float) s.number("ce_weight", 0, 1000, 1);
    if (kl == 0 && ce == 0) {
      throw s.error("kl_weight", "and ce_weight are both 0: give one of them a positive weight");
    }
    return new Stage.Distil(kl, ce);
  }
}
