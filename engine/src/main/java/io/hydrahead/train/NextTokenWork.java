package io.hydrahead.train;

import io.hydrahead.model.TrainingPass;
import java.util.List;

/** Cross-entropy of the next token, each learner on the same batch. */
public final class NextTokenWork extends RecordedWork {
  private final List<Learner> learners;
  private final List<TrainingPass> passes;

  public NextTokenWork(List<Learner> learners, Stage.Batching b) {
    super(learners.getFirst().model().ops());
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
  protected void load(Batch batch, Share share) {
    for (TrainingPass pass : passes) {
      pass.load(batch.ids(), batch.targets(), batch.weights(), (float) share.scale(), 0);
    }
  }

  @Override
  protected void enqueue(boolean gradients) {
    for (int i = 0; i < passes.size(); i++) {
      passes.get(i).nextToken(gradients ? learners.get(i).grads() : null);
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
    super.close();
    passes.forEach(TrainingPass::close);
  }
}
