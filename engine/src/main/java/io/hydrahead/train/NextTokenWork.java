package io.hydrahead.train;

import io.hydrahead.model.TrainingPass;
import java.util.List;

/** Cross-entropy of the next token, each learner on the same batch. */
public final class NextTokenWork implements StageWork {
  private final List<Learner> learners;
  private final List<TrainingPass> passes;

  public NextTokenWork(List<Learner> learners, Stage.Batching b) {
    this.learners = learners;
    this.passes =
        learners.stream()
            .map(l -> new TrainingPass(l.model(), b.microRows(), b.context(), b.training()))
            .toList();
  }

  @Override
  public List<String> columns() {
    return List.of("loss");
  }

  @Override
  public void run(Batch batch, Share share, boolean gradients) {
    for (int i = 0; i < passes.size(); i++) {
      passes
          .get(i)
          .nextTokenStep(
              batch.ids(),
              batch.targets(),
              batch.weights(),
              (float) share.scale(),
              gradients ? learners.get(i).grads() : null);
    }
  }

  @Override
  public void take(Share share, double[][] means) {
    for (int i = 0; i < passes.size(); i++) {
      means[i][0] = passes.get(i).takeCrossEntropy() * share.scale();
    }
  }

  @Override
  public void close() {
    passes.forEach(TrainingPass::close);
  }
}
