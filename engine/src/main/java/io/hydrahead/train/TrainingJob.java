package io.hydrahead.train;

import java.util.List;
import java.util.Map;

/** What a {@link TrainingRun} trains: a pretraining or a transfer. */
public interface TrainingJob {
  /** What the progress line calls it. */
  String title();

  /** Changes with the recipe and with every input it names. */
  String hash();

  RunSettings settings();

  List<Stage> stages();

  List<Learner> learners();

  /** Rows that {@code stage} trains on. */
  Rows training(Stage stage);

  /** Rows that no stage trains on, for the held-out loss. */
  Rows heldOut(Stage stage);

  /**
   * Called when a stage is reached, before its buffers exist; again for each stage passed when a
   * run is resumed.
   */
  default void enter(Stage stage) {}

  /** The computation of {@code stage}. */
  StageWork open(Stage stage);

  /**
   * A short evaluation of {@code learner} after a stage, besides the held-out loss; may be empty.
   */
  default Map<String, Double> evaluate(Stage stage, Learner learner) {
    return Map.of();
  }
}
