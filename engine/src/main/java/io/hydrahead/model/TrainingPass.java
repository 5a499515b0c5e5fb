package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;

/**
 * Forward and backward over B whole sequences of T tokens, in buffers assigned once. N = B·T rows,
 * D width, V vocabulary. Also a teacher's pass, or a probe's, when built without gradients: then
 * only what {@link #layerInput}, {@link #mixerOutput} and {@link #finalHidden} show is kept a
 * layer.
 *
 * <p>Activations are assigned; parameter gradients accumulate.
 */
public final class TrainingPass implements AutoCloseable {
  private static final int CHUNK_FLOATS = 1 << 20;

  private final HybridTransformer model;
  private final PassSpec spec;
  private final Workspace memory;
  private final Tensor[] inputs;
  private final Tensor last;
  private final Tensor finalHidden;
  private final Tensor finalRstd;
  private final Tensor dHidden;
  private final Tensor dResidual;
  private final LayerPass[] layers;
  private final LayerPass.Gradients[] gradients;
  private final Position position;
  private final List<Chunk> chunks = new ArrayList<>();
  private final Tensor ids;
  private final Tensor targets;
  private final Tensor weights;
  private final Tensor crossEntropyScale;
  private final Tensor klScale;
  private final Tensor crossEntropySum;
  private final Tensor klSum;
  private ParameterStore boundTo;
  private LayerPass.Weights[] bound;

  /** Some rows of the LM head's work: views that are made once. */
  private record Chunk(
      int from,
      Tensor hidden,
      Tensor dHidden,
      Tensor logits,
      Tensor dLogits,
      Tensor targets,
      Tensor weights) {}

  /**
   * @param gradients whether {@link #backward} will be called: the model must then be float32
   */
  public TrainingPass(HybridTransformer model, int batch, int tokens, boolean gradients) {
    this.model = model;
    ModelConfig c = model.config();
    spec = new PassSpec(c, model.plan(), model.style(), model.ops(), batch, tokens, gradients);
    memory = new Workspace(model.ops().memory());
    int n = spec.rows();
    int width = c.hiddenSize();
    ids = memory.allocate(DType.I32, n);
    targets = memory.allocate(DType.I32, n);
    weights = memory.f32(n);
    crossEntropyScale = memory.f32(1);
    klScale = memory.f32(1);
    crossEntropySum = memory.allocate(DType.F64, 1);
    klSum = memory.allocate(DType.F64, 1);
    Buffers own = Buffers.own(memory);
    Buffers.Overlay shared = new Buffers.Overlay(memory);
    position = new Position(spec, own);
    position.moveTo(0);
    inputs = new Tensor[c.layers()];
    layers = new LayerPass[c.layers()];
    this.gradients = new LayerPass.Gradients[c.layers()];
    Buffers.Overlay turns = new Buffers.Overlay(memory);
    for (int l = 0; l < c.layers(); l++) {
      inputs[l] = memory.f32(n, width);
      // Linear heads need training buffers wherever no cache carries their state.
      layers[l] = new LayerPass(trainingSpec(), l, gradients ? own : turns.restart());
      if (gradients) {
        this.gradients[l] = new LayerPass.Gradients(layers[l], shared.restart());
      }
    }
    last = memory.f32(n, width);
    finalHidden = memory.f32(n, width);
    finalRstd = memory.f32(n);
    dHidden = gradients ? memory.f32(n, width) : null;
    dResidual = gradients ? memory.f32(n, width) : null;
    chunk(n);
  }

  private PassSpec trainingSpec() {
    return new PassSpec(
        spec.config(), spec.plan(), spec.style(), spec.ops(), spec.batch(), spec.tokens(), true);
  }

  private void chunk(int n) {
    int vocabulary = spec.config().vocabSize();
    int rows = Math.clamp(CHUNK_FLOATS / vocabulary, Math.min(8, n), n);
    Tensor logits = memory.f32(rows, vocabulary);
    Tensor dLogits = spec.training() ? memory.f32(rows, vocabulary) : null;
    for (int from = 0; from < n; from += rows) {
      int count = Math.min(rows, n - from);
      chunks.add(
          new Chunk(
              from,
              finalHidden.rows(from, count),
              dHidden == null ? null : dHidden.rows(from, count),
              logits.rows(0, count),
              dLogits == null ? null : dLogits.rows(0, count),
              targets.rows(from, count),
              weights.rows(from, count)));
    }
  }

  public int batch() {
    return spec.batch();
  }

  public int tokens() {
    return spec.tokens();
  }

  /** Bytes of all buffers. */
  public long bytes() {
    return memory.bytes();
  }

  /**
   * @param ids N token ids, sequence after sequence
   */
  public void forward(int[] ids) {
    forward(ids, HeadTap.NONE);
  }

  /**
   * @throws IllegalArgumentException if there are not N ids, or one is outside the vocabulary
   */
  public void forward(int[] ids, HeadTap tap) {
    forward(ids, tap, LayerObserver.NONE);
  }

  /** Sees each layer's tensors while they are there: a pass without gradients reuses them. */
  @FunctionalInterface
  public interface LayerObserver {
    LayerObserver NONE = (layer, input, mixerOutput) -> {};

    /** Input [N, D] of a layer and its attention block's output [N, D], valid during the call. */
    void layer(int layer, Tensor input, Tensor mixerOutput);
  }

  public void forward(int[] ids, HeadTap tap, LayerObserver observer) {
    model.requireIds(ids, 0, ids.length);
    if (ids.length != spec.rows()) {
      throw new IllegalArgumentException(ids.length + " ids for " + spec.rows() + " rows");
    }
    this.ids.copyFrom(ids, 0, ids.length);
    spec.ops().embedding().forward(this.ids, model.embedding(), inputs[0]);
    forwardFrom(0, tap, observer);
  }

  /**
   * Runs layers {@code from} … on what {@link #layerInput} of that layer holds: a probe's re-run.
   */
  public void forwardFrom(int from, HeadTap tap, LayerObserver observer) {
    Ops ops = spec.ops();
    for (int l = from; l < layers.length; l++) {
      Tensor y = l + 1 < layers.length ? inputs[l + 1] : last;
      layers[l].forward(inputs[l], y, model.weights(l), position, null, tap);
      observer.layer(l, inputs[l], layers[l].mixerOutput);
    }
    ops.rmsNorm()
        .forward(last, model.finalNorm(), spec.config().rmsNormEps(), finalHidden, finalRstd);
  }

  /**
   * Input of layer {@code l} in the last forward pass, [N, D]; that of layer 0 is the embedding.
   */
  public Tensor layerInput(int l) {
    return inputs[l];
  }

  /** Output of layer {@code l}'s attention block after W_o, [N, D]; needs a pass with gradients. */
  public Tensor mixerOutput(int l) {
    if (!spec.training()) {
      throw new IllegalStateException("a pass without gradients keeps no mixer outputs");
    }
    return layers[l].mixerOutput;
  }

  /** Output of the final norm, [N, D]. */
  public Tensor finalHidden() {
    return finalHidden;
  }

  /** Receives logits [n, V] of rows {@code from} …, valid during the call. */
  @FunctionalInterface
  public interface LogitsSink {
    void accept(int from, Tensor logits);
  }

  /** Logits of the last forward pass, a chunk of rows at a time. */
  public void logits(LogitsSink sink) {
    for (Chunk c : chunks) {
      spec.ops().linear().forward(c.hidden, model.lmHead(), c.logits, false);
      sink.accept(c.from, c.logits);
    }
  }

  /** Logits of rows {@code from} … {@code from + out.dim(0) − 1} of the last forward pass. */
  public void logits(int from, Tensor out) {
    Tensor rows = finalHidden.rows(from, out.dim(0));
    spec.ops().linear().forward(rows, model.lmHead(), out, false);
  }

  /**
   * Σ weight · cross-entropy of the last forward pass; with {@code grads} not null also its
   * gradient times {@code gradScale}, kept for {@link #backward}.
   *
   * @param targets N ids, negative to leave a row out: the caller has shifted them by one
   */
  public double nextTokenLoss(
      int[] targets, float[] weights, float gradScale, ParameterStore grads) {
    predict(targets, weights);
    crossEntropyScale.set(0, gradScale);
    for (Chunk c : chunks) {
      spec.ops().linear().forward(c.hidden, model.lmHead(), c.logits, false);
      crossEntropy(c, grads == null ? null : c.dLogits);
      headGradient(c, grads);
    }
    return crossEntropySum.getDouble(0);
  }

  /** What a loss is to compare with; its sums begin at zero. */
  private void predict(int[] targets, float[] weights) {
    this.targets.copyFrom(targets, 0, targets.length);
    this.weights.copyFrom(weights);
    crossEntropySum.fill(0f);
    klSum.fill(0f);
  }

  private void crossEntropy(Chunk c, Tensor dLogits) {
    spec.ops()
        .loss()
        .crossEntropy(c.logits, c.targets, c.weights, crossEntropyScale, dLogits, crossEntropySum);
  }

  /** Sums of a distillation step: Σ weight · KL(teacher ‖ student) and Σ weight · cross-entropy. */
  public record Distillation(double kl, double crossEntropy) {}

  /**
   * klWeight · KL + ceWeight · cross-entropy against {@code teacher}, whose last forward pass ran
   * on the same ids; gradients as in {@link #nextTokenLoss}.
   */
  public Distillation distil(
      TrainingPass teacher,
      int[] targets,
      float[] weights,
      float klWeight,
      float ceWeight,
      float gradScale,
      ParameterStore grads) {
    predict(targets, weights);
    crossEntropyScale.set(0, ceWeight * gradScale);
    klScale.set(0, klWeight * gradScale);
    for (int i = 0; i < chunks.size(); i++) {
      Chunk c = chunks.get(i);
      Chunk t = teacher.chunks.get(i);
      spec.ops().linear().forward(c.hidden, model.lmHead(), c.logits, false);
      spec.ops().linear().forward(t.hidden, teacher.model.lmHead(), t.logits, false);
      Tensor dLogits = grads == null ? null : c.dLogits;
      crossEntropy(c, dLogits);
      spec.ops().loss().kl(t.logits, c.logits, c.weights, klScale, dLogits, klSum);
      headGradient(c, grads);
    }
    return new Distillation(klSum.getDouble(0), crossEntropySum.getDouble(0));
  }

  private void headGradient(Chunk c, ParameterStore grads) {
    if (grads == null) {
      return;
    }
    spec.ops().linear().backwardInput(c.dLogits, model.lmHead(), c.dHidden, false);
    spec.ops().linear().backwardWeight(c.dLogits, c.hidden, grads.get(model.lmHeadName()));
  }

  /** Carries the gradient of the last loss back to all parameters: {@code grads} accumulates. */
  public void backward(ParameterStore grads) {
    LayerPass.Weights[] dw = bind(grads);
    Ops ops = spec.ops();
    ops.rmsNorm()
        .backward(
            last,
            model.finalNorm(),
            finalRstd,
            dHidden,
            dResidual,
            false,
            grads.get(ParameterShapes.FINAL_NORM));
    for (int l = layers.length - 1; l >= 0; l--) {
      layers[l].backward(inputs[l], model.weights(l), dw[l], position, gradients[l], dResidual);
    }
    ops.embedding().backward(ids, dResidual, grads.get(ParameterShapes.EMBEDDING));
  }

  /**
   * Stage 1 of the transfer: runs layer {@code l}'s attention block alone on {@code input} [N, D]
   * and returns its output [N, D].
   */
  public Tensor alignForward(int l, Tensor input) {
    layers[l].mix(input, model.weights(l), position, null, HeadTap.NONE);
    return layers[l].mixerOutput;
  }

  /**
   * Backward of {@link #alignForward}: gradients of the attention block's parameters accumulate.
   */
  public void alignBackward(int l, Tensor dOut, ParameterStore grads) {
    layers[l].unmix(model.weights(l), bind(grads)[l], position, gradients[l], dOut, false);
  }

  private LayerPass.Weights[] bind(ParameterStore grads) {
    if (boundTo != grads) {
      LayerPass.Weights[] w = new LayerPass.Weights[layers.length];
      for (int l = 0; l < w.length; l++) {
        w[l] = LayerPass.Weights.of(grads, spec.plan(), spec.style(), l);
      }
      bound = w;
      boundTo = grads;
    }
    return bound;
  }

  @Override
  public void close() {
    memory.close();
  }
}
