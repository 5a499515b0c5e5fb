package io.hydrahead.transfer;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.tensor.InputException;
import io.hydrahead.train.Corpus;
import io.hydrahead.train.Learner;
import io.hydrahead.train.NextTokenWork;
import io.hydrahead.train.Rows;
import io.hydrahead.train.RunSettings;
import io.hydrahead.train.Stage;
import io.hydrahead.train.StageWork;
import io.hydrahead.train.TrainingJob;
import java.util.List;
import java.util.Map;

/**
 * The three stages of the transfer (HydraHead, arXiv:2606.20097) for one student or several at
 * once: all students see the same batches, and each forward pass of the teacher serves all of them.
 * With a_T, a_S the outputs of a layer's attention blocks after W_o, and p_T, p_S next-token
 * probabilities:
 *
 * <ol>
 *   <li>align: mean over layers of ‖a_T − a_S‖² / ‖a_T‖², every layer given the teacher's input
 *   <li>distil: kl_weight · KL(p_T ‖ p_S) + ce_weight · cross-entropy, both at temperature 1 and
 *       with the same token weights
 *   <li>next_token: cross-entropy, usually at a longer context
 * </ol>
 *
 * A recipe may have any of them, in any order.
 */
public final class Transfer implements TrainingJob {
  private final TransferRecipe recipe;
  private final HybridTransformer teacher;
  private final List<Learner> students;
  private final Corpus corpus;
  private final String hash;
  private final Evaluation evaluation;

  /** A short evaluation of a student after a stage: names and values for the log. */
  @FunctionalInterface
  public interface Evaluation {
    Evaluation NONE = (stage, name, student) -> Map.of();

    Map<String, Double> after(Stage stage, String name, HybridTransformer student);
  }

  /**
   * @param students converted models in float32 with the teacher's shape; they change in place
   * @param hash of the recipe, the teacher, the students and the corpus
   * @throws InputException if a student's shape is not the teacher's
   */
  public Transfer(
      TransferRecipe recipe,
      HybridTransformer teacher,
      List<Learner> students,
      Corpus corpus,
      String hash,
      Evaluation evaluation) {
    this.recipe = recipe;
    this.teacher = teacher;
    this.students = List.copyOf(students);
    this.corpus = corpus;
    this.hash = hash;
    this.evaluation = evaluation;
    for (Learner s : students) {
      requireFits(s.name(), s.model(), teacher, recipe);
    }
  }

  /**
   * @param name of the student in messages
   * @throws InputException if {@code student} cannot learn from {@code teacher} by {@code recipe}
   */
  static void requireFits(
      String name, HybridTransformer student, HybridTransformer teacher, TransferRecipe recipe) {
    requireSameShape(name, student.config(), teacher.config());
    if (recipe.namesStyle() && !recipe.conversion().style().equals(student.style())) {
      throw new InputException(
          "student "
              + name
              + " has "
              + student.style()
              + ", the recipe's $.style is "
              + recipe.conversion().style()
              + "; convert the teacher with this recipe, or take style out of it");
    }
  }

  private static void requireSameShape(String name, ModelConfig s, ModelConfig t) {
    require(name, "vocab_size", s.vocabSize(), t.vocabSize());
    require(name, "hidden_size", s.hiddenSize(), t.hiddenSize());
    require(name, "num_hidden_layers", s.layers(), t.layers());
  }

  private static void require(String name, String field, int student, int teacher) {
    if (student != teacher) {
      throw new InputException(
          "student "
              + name
              + ": "
              + field
              + " is "
              + student
              + ", the teacher's is "
              + teacher
              + "; give a student that was converted from this teacher");
    }
  }

  @Override
  public String title() {
    return "transfer " + recipe.name();
  }

  @Override
  public String hash() {
    return hash;
  }

  @Override
  public RunSettings settings() {
    return recipe.settings();
  }

  @Override
  public List<Stage> stages() {
    return recipe.stages();
  }

  @Override
  public List<Learner> learners() {
    return students;
  }

  @Override
  public Rows training(Stage stage) {
    return corpus.training(stage);
  }

  @Override
  public Rows heldOut(Stage stage) {
    return corpus.heldOut(stage);
  }

  /** Raises a student's context to that of the stage, where that is longer. */
  @Override
  public void enter(Stage stage) {
    int context = stage.batching().context();
    for (Learner s : students) {
      HybridTransformer m = s.model();
      if (context > m.config().maxPositionEmbeddings()) {
        s.replace(
            new HybridTransformer(
                m.config().withContext(context), m.plan(), m.style(), m.parameters(), m.ops()));
      }
    }
  }

  @Override
  public StageWork open(Stage stage) {
    return switch (stage.objective()) {
      case Stage.Align a -> new AlignWork(teacher, students, stage.batching(), a);
      case Stage.Distil d -> new DistilWork(teacher, students, stage.batching(), d);
      case Stage.NextToken n -> new NextTokenWork(students, stage.batching());
    };
  }

  @Override
  public Map<String, Double> evaluate(Stage stage, Learner student) {
    return evaluation.after(stage, student.name(), student.model());
  }
}
