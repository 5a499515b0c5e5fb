package io.hydrahead.transfer;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.TrainingPass;
import io.hydrahead.ops.optim.Optim;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import io.hydrahead.train.Batch;
import io.hydrahead.train.Learner;
import io.hydrahead.train.RecordedWork;
import io.hydrahead.train.Stage;
import java.util.List;

/**
 * Stage 1, hidden-state alignment: one forward pass of the teacher; at each of its layers every
 * student's attention block runs on the teacher's input and is pulled towards the teacher's output.
 * N rows, D width.
 *
 * <p>Tokens count alike, whatever their weight in the other losses. With micro-batches, ‖a_T‖² is
 * that of each micro-batch.
 */
final class AlignWork extends RecordedWork {
  /** Each layer goes forward and back before the next: they need no memory of their own. */
  private static final TrainingPass.Options ONE_LAYER = new TrainingPass.Options(true, true);

  private final List<Learner> learners;
  private final List<TrainingPass> students;
  private final TrainingPass teacher;
  private final Stage.Align objective;
  private final Optim optim;
  private final int layers;
  private final Workspace memory;
  private final Tensor difference;

  /** What one layer's squared error is divided by, before the factor; [1]. */
  private final Tensor norm;

  /** 1 / (layers · micro-batches of the step), [1]. */
  private final Tensor factor;

  /** Of each student, [students]. */
  private final Tensor losses;

  AlignWork(
      HybridTransformer teacher, List<Learner> learners, Stage.Batching b, Stage.Align objective) {
    super(teacher.ops());
    this.learners = learners;
    this.objective = objective;
    this.optim = teacher.ops().optim();
    this.layers = teacher.config().layers();
    this.teacher = new TrainingPass(teacher, b.microRows(), b.context(), false);
    this.students =
        learners.stream()
            .map(l -> new TrainingPass(l.model(), b.microRows(), b.context(), ONE_LAYER))
            .toList();
    this.memory = new Workspace(teacher.ops().memory());
    long rows = (long) b.microRows() * b.context();
    int width = teacher.config().hiddenSize();
    this.difference = memory.allocate(teacher.ops().activations(), rows, width);
    this.norm = memory.allocate(DType.F64, 1);
    this.factor = memory.allocate(DType.F64, 1);
    this.losses = memory.allocate(DType.F64, learners.size());
    norm.setDouble(0, rows * width);
    losses.fill(0f);
  }

  @Override
  public List<String> columns() {
    return List.of("loss");
  }

  @Override
  protected void load(Batch batch, Share share) {
    teacher.load(batch.ids());
    factor.setDouble(0, 1.0 / ((double) layers * share.micros()));
  }

  @Override
  protected void enqueue(boolean gradients) {
    teacher.forward((layer, input, target) -> {
      if (objective.normalise()) {
        norm.fill(0f);
        optim.addSquares(target, norm);
      }
      for (int i = 0; i < students.size(); i++) {
        TrainingPass student = students.get(i);
        Tensor output = student.alignForward(layer, input);
        optim.squaredError(output, target, factor, norm, difference, losses.rows(i, 1));
        if (gradients) {
          student.alignBackward(layer, difference, learners.get(i).grads());
        }
      }
    });
  }

  @Override
  public void take(Share share, double[][] means) {
    Tensor sums = losses.onHost();
    for (int i = 0; i < means.length; i++) {
      means[i][0] = sums.getDouble(i);
    }
    losses.fill(0f);
  }

  @Override
  public void close() {
    super.close();
    teacher.close();
    students.forEach(TrainingPass::close);
    memory.close();
  }
}
