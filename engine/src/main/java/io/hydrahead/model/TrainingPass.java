package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;

/**
 * Forward and backward over B whole sequences of T tokens, in buffers assigned once. N = B·T rows,
 * D width, V vocabulary. Also a teacher's pass, or a probe's, when built without gradients: then
 * only what {@link #layerInput} and {@link #finalHidden} show is kept a layer.
 *
 * <p>Activations are assigned; parameter gradients accumulate.
 */
public final class TrainingPass implements AutoCloseable {
  /**
   * What is kept for the backward pass.
   *
   * @param gradients whether there is one
   * @param recompute keep only each layer's input and compute the rest again: less memory, a third
   *     more work
   */
  public record Options(boolean gradients, boolean recompute) {
    public static final Options FORWARD = new Options(false, false);
    public static final Options TRAINING = new Options(true, false);
  }

  private final HybridTransformer model;
  private final PassSpec spec;
  private final Options options;
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
  private final Tensor ids;
  private final LossHead head;
  private ParameterStore boundTo;
  private LayerPass.Weights[] bound;

  /**
   * @param gradients whether {@link #backward} will be called: the model must then be float32
   */
  public TrainingPass(HybridTransformer model, int batch, int tokens, boolean gradients) {
    this(model, batch, tokens, gradients ? Options.TRAINING : Options.FORWARD);
  }

  /**
   * For models in float32 if {@code options} ask for gradients.
   *
   * @throws InputException if the operations have no gradients of heads of the model's size
   */
  public TrainingPass(HybridTransformer model, int batch, int tokens, Options options) {
    this.model = model;
    this.options = options;
    ModelConfig c = model.config();
    Ops ops = model.ops();
    boolean training = options.gradients;
    int most = training ? ops.attention().mostGradientDims() : c.headDim();
    if (c.headDim() > most) {
      throw new InputException(
          "training on "
              + ops.memory()
              + " takes heads of up to "
              + most
              + " dims, the model's have "
              + c.headDim()
              + "; --device cpu takes any");
    }
    PassSpec.Phase phase = training ? PassSpec.Phase.TRAINING : PassSpec.Phase.FORWARD;
    spec = PassSpec.of(model, batch, tokens, phase);
    memory = new Workspace(ops.memory());
    int n = spec.rows();
    int width = c.hiddenSize();
    ids = memory.allocate(DType.I32, n);
    Buffers own = Buffers.own(memory, ops.activations());
    Buffers.Overlay turns = new Buffers.Overlay(memory, ops.activations());
    Buffers.Overlay kept = new Buffers.Overlay(memory, ops.activations());
    Buffers.Overlay shared = new Buffers.Overlay(memory, ops.activations());
    position = new Position(spec, own, memory);
    inputs = new Tensor[c.layers()];
    layers = new LayerPass[c.layers()];
    gradients = new LayerPass.Gradients[c.layers()];
    for (int l = 0; l < c.layers(); l++) {
      inputs[l] = own.elements(n, width);
      boolean keep = training && !options.recompute;
      layers[l] = new LayerPass(spec, l, keep ? own : kept.restart(), turns.restart());
      if (training) {
        gradients[l] = new LayerPass.Gradients(layers[l], shared.restart());
      }
    }
    last = own.elements(n, width);
    finalHidden = own.elements(n, width);
    finalRstd = training ? own.f32(n) : null;
    dHidden = training ? own.elements(n, width) : null;
    dResidual = training ? own.elements(n, width) : null;
    head = new LossHead(model, memory, finalHidden, dHidden);
  }

  /** B. */
  public int batch() {
    return spec.batch();
  }

  /** T. */
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

  /**
   * {@link #load} and a forward pass over all layers, which {@code tap} and {@code observer} see.
   *
   * @param ids N token ids, sequence after sequence
   * @throws IllegalArgumentException if there are not N ids, or one is outside the vocabulary
   */
  public void forward(int[] ids, HeadTap tap, LayerObserver observer) {
    load(ids);
    embed();
    forwardFrom(0, tap, observer);
  }

  /**
   * Brings N token ids to where {@link #forward(LayerObserver)} reads them.
   *
   * @throws IllegalArgumentException if there are not N ids, or one is outside the vocabulary
   */
  public void load(int[] ids) {
    model.requireIds(ids, 0, ids.length);
    if (ids.length != spec.rows()) {
      throw new IllegalArgumentException(ids.length + " ids for " + spec.rows() + " rows");
    }
    this.ids.copyFrom(ids, 0, ids.length);
  }

  private void embed() {
    position.moveTo(0);
    spec.ops().embedding().forward(ids, model.embedding(), inputs[0]);
  }

  /**
   * Runs layers {@code from} … on what {@link #layerInput} of that layer holds: a probe's re-run.
   */
  public void forwardFrom(int from, HeadTap tap, LayerObserver observer) {
    for (int l = from; l < layers.length; l++) {
      LayerPass before = l == from ? null : layers[l - 1];
      layers[l].forward(inputs[l], before, model.weights(l), position, null, tap);
      observer.layer(l, inputs[l], layers[l].mixerOutput);
    }
    layers[layers.length - 1].next(last, model.finalNorm(), finalHidden, finalRstd);
  }

  /**
   * Input of layer {@code l} in the last forward pass, [N, D]; that of layer 0 is the embedding.
   */
  public Tensor layerInput(int l) {
    return inputs[l];
  }

  /** Output of the final norm, [N, D]. */
  public Tensor finalHidden() {
    return finalHidden;
  }

  /** Logits of the last forward pass, a chunk of rows at a time. */
  public void logits(LogitsSink sink) {
    head.logits(sink);
  }

  /**
   * Logits of rows {@code from} … {@code from + out.dim(0) − 1} of the last forward pass; {@code
   * out} lies in the operations' memory.
   */
  public void logits(int from, Tensor out) {
    Tensor rows = finalHidden.rows(from, out.dim(0));
    spec.ops().linear().forward(rows, model.lmHead(), out, false);
  }

  /**
   * Σ weight · cross-entropy of the last forward pass; with {@code grads} not null also its
   * gradient times {@code gradScale}, kept for {@link #backward}. Waits for the result.
   *
   * @param targets N ids, negative to leave a row out: the caller has shifted them by one
   */
  public double nextTokenLoss(
      int[] targets, float[] weights, float gradScale, ParameterStore grads) {
    head.predict(targets, weights);
    head.scales(gradScale, 0);
    head.clearSums();
    head.crossEntropy(grads);
    return head.crossEntropySum();
  }

  /**
   * Brings a batch to where {@link #nextToken} and {@link #distil} read it: they themselves take
   * nothing from the host, so that they can be recorded.
   *
   * @param ids N token ids, sequence after sequence
   * @param targets N ids, negative to leave a row out: the caller has shifted them by one
   * @param weights of the N rows in the losses
   * @param crossEntropyScale factor of the cross-entropy's gradient, {@code klScale} of the KL's
   */
  public void load(
      int[] ids, int[] targets, float[] weights, float crossEntropyScale, float klScale) {
    load(ids);
    head.predict(targets, weights);
    head.scales(crossEntropyScale, klScale);
  }

  /** Forward pass over the loaded ids. */
  public void forward(LayerObserver observer) {
    embed();
    forwardFrom(0, HeadTap.NONE, observer);
  }

  /**
   * Forward pass, loss and, with {@code grads} not null, backward pass of next-token prediction on
   * the loaded batch. Does not wait; {@link #takeCrossEntropy} has the sum.
   */
  public void nextToken(ParameterStore grads) {
    forward(LayerObserver.NONE);
    head.crossEntropy(grads);
    if (grads != null) {
      backward(grads);
    }
  }

  /**
   * A student's step on the loaded batch: forward pass, KL and cross-entropy against {@code
   * teacher}, whose last forward pass ran on the same ids, and, with {@code grads} not null, the
   * backward pass. Does not wait; {@link #takeKl} and {@link #takeCrossEntropy} have the sums.
   */
  public void distil(TrainingPass teacher, ParameterStore grads) {
    forward(LayerObserver.NONE);
    head.distil(teacher.head, grads);
    if (grads != null) {
      backward(grads);
    }
  }

  /** Σ weight · cross-entropy of all steps since the last call. Waits for the result. */
  public double takeCrossEntropy() {
    return head.takeCrossEntropy();
  }

  /** Σ weight · KL of all distillation steps since the last call. Waits for the result. */
  public double takeKl() {
    return head.takeKl();
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
      if (options.recompute) {
        layers[l].recompute(inputs[l], model.weights(l), position);
      }
      layers[l].backward(inputs[l], model.weights(l), dw[l], position, gradients[l], dResidual);
    }
    ops.embedding().backward(ids, dResidual, grads.get(ParameterShapes.EMBEDDING));
  }

  /**
   * Stage 1 of the transfer: runs layer {@code l}'s attention block alone on {@code input} [N, D]
   * and returns its output [N, D].
   */
  public Tensor alignForward(int l, Tensor input) {
    position.moveTo(0);
    layers[l].mix(input, null, model.weights(l), position, null, HeadTap.NONE);
    return layers[l].mixerOutput;
  }

  /**
   * Backward of {@link #alignForward}, which must have run last: gradients of the attention block's
   * parameters accumulate.
   */
  public void alignBackward(int l, Tensor dOut, ParameterStore grads) {
    layers[l].unmix(model.weights(l), bind(grads)[l], position, gradients[l], dOut, false);
  }

  private LayerPass.Weights[] bind(ParameterStore grads) {
    if (boundTo != grads) {
      LayerPass.Weights[] w = new LayerPass.Weights[layers.length];
      for (int l = 0; l < w.length; l++) {
        w[l] = LayerPass.Weights.of(grads, spec.plan(), spec.style(), spec.ops().packed(), l);
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
