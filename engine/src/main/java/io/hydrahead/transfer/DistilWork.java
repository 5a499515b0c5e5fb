package io.hydrahead.transfer;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.TrainingPass;
import io.hydrahead.train.Batch;
import io.hydrahead.train.Learner;
import io.hydrahead.train.RecordedWork;
import io.hydrahead.train.Stage;
import java.util.List;

/**
 * Stage 2, distillation on logits: one forward pass of the teacher, then each student's forward and
 * backward against it on the same batch.
 */
final class DistilWork extends RecordedWork {
  private final List<Learner> learners;
  private final List<TrainingPass> students;
  private final TrainingPass teacher;
  private final Stage.Distil objective;

  DistilWork(
      HybridTransformer teacher, List<Learner> learners, Stage.Batching b, Stage.Distil objective) {
    super(teacher.ops());
    this.learners = learners;
    this.objective = objective;
    this.teacher = new TrainingPass(teacher, b.microRows(), b.context(), false);
    this.students =
        learners.stream()
            .map(l -> new TrainingPass(l.model(), b.microRows(), b.context(), b.training()))
            .toList();
  }

  @Override
  public List<String> columns() {
    return List.of("loss", "kl", "cross_entropy");
  }

  @Override
  protected void load(Batch batch, Share share) {
    float scale = (float) share.scale();
    teacher.load(batch.ids());
    for (TrainingPass student : students) {
      student.load(
          batch.ids(),
          batch.targets(),
          batch.weights(),
          objective.ceWeight() * scale,
          objective.klWeight() * scale);
    }
  }

  @Override
  protected void enqueue(boolean gradients) {
    teacher.forward(TrainingPass.LayerObserver.NONE);
    for (int i = 0; i < students.size(); i++) {
      students.get(i).distil(teacher, gradients ? learners.get(i).grads() : null);
    }
  }

  @Override
  public void take(Share share, double[][] means) {
    for (int i = 0; i < students.size(); i++) {
      double kl = students.get(i).takeKl() * share.scale();
      double ce = students.get(i).takeCrossEntropy() * share.scale();
      means[i][0] = objective.klWeight() * kl + objective.ceWeight() * ce;
      means[i][1] = kl;
      means[i][2] = ce;
    }
  }

  @Override
  public void close() {
    super.close();
    teacher.close();
    students.forEach(TrainingPass::close);
  }
}
