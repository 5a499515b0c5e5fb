package io.hydrahead.transfer;

import io.hydrahead.model.HeadTap;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.TrainingPass;
import io.hydrahead.ops.optim.Optim;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import io.hydrahead.train.Batch;
import io.hydrahead.train.Learner;
import io.hydrahead.train.Stage;
import io.hydrahead.train.StageWork;
import java.util.List;

/**
 * Stage 1, hidden-state alignment: one forward pass of the teacher; at each of its layers every
 * student's attention block runs on the teacher's input and is pulled towards the teacher's output.
 * N rows, D width.
 *
 * <p>Tokens count alike, whatever their weight in the other losses. With micro-batches, ‖a_T‖² is
 * that of each micro-batch.
 */
final class AlignWork implements StageWork {
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
  private final Tensor squares;
  private final double[] losses;

  AlignWork(
      HybridTransformer teacher, List<Learner> learners, Stage.Batching b, Stage.Align objective) {
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
    this.losses = new double[learners.size()];
    this.squares = memory.allocate(DType.F64, 1);
    this.difference =
        memory.allocate(
            teacher.ops().activations(),
            (long) b.microRows() * b.context(),
            teacher.config().hiddenSize());
  }

  @Override
  public List<String> columns() {
    return List.of("loss");
  }

  @Override
  public void run(Batch batch, Share share, boolean gradients) {
    teacher.forward(
        batch.ids(),
        HeadTap.NONE,
        (layer, input, target) -> {
          double norm = objective.normalise() ? squares(target) : target.size();
          double perLayer = 1.0 / (norm * layers * share.micros());
          for (int i = 0; i < students.size(); i++) {
            TrainingPass student = students.get(i);
            Tensor output = student.alignForward(layer, input);
            float scale = (float) (2 * perLayer);
            difference.fill(0f);
            optim.axpy(scale, output, difference);
            optim.axpy(-scale, target, difference);
            losses[i] += squares(difference) / ((double) scale * scale) * perLayer;
            if (gradients) {
              student.alignBackward(layer, difference, learners.get(i).grads());
            }
          }
        });
  }

  @Override
  public void take(Share share, double[][] means) {
    for (int i = 0; i < losses.length; i++) {
      means[i][0] = losses[i];
      losses[i] = 0;
    }
  }

  private double squares(Tensor x) {
    squares.setDouble(0, 0);
    optim.addSquares(x, squares);
    return squares.getDouble(0);
  }

  @Override
  public void close() {
    teacher.close();
    students.forEach(TrainingPass::close);
    memory.close();
  }
}
