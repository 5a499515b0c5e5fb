package io.hydrahead.model;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;

/**
 * The model with every attention output given: embeddings and MLPs live, attention frozen.
 * Positions then do not see each other, so it runs on any few rows of a text: the downstream half
 * of the probe's receiver effect. R rows, D width, V vocabulary.
 */
public final class FrozenAttention implements AutoCloseable {
  private final HybridTransformer model;
  private final Workspace memory;
  private final LayerPass[] layers;
  private final Tensor x;
  private final Tensor normed;
  private final Tensor logits;

  /** For {@code rows} rows at a time. */
  public FrozenAttention(HybridTransformer model, int rows) {
    this.model = model;
    memory = new Workspace(model.ops().memory());
    ModelConfig c = model.config();
    DType type = model.ops().activations();
    PassSpec spec = PassSpec.of(model, 1, rows, PassSpec.Phase.FORWARD);
    Buffers.Overlay turns = new Buffers.Overlay(memory, type);
    layers = new LayerPass[c.layers()];
    for (int l = 0; l < layers.length; l++) {
      layers[l] = new LayerPass(spec, l, turns.restart(), turns);
    }
    x = memory.allocate(type, rows, c.hiddenSize());
    normed = memory.allocate(type, rows, c.hiddenSize());
    logits = memory.f32(rows, c.vocabSize());
  }

  /**
   * Logits [R, V], valid until the next call.
   *
   * @param from the layer at which to start
   * @param input of that layer, [R, D]
   * @param mixerOutputs attention outputs after W_o of each layer, [R, D]; those before {@code
   *     from} are not read
   */
  public Tensor run(int from, Tensor input, Tensor[] mixerOutputs) {
    x.copyFrom(input);
    for (int l = from; l < layers.length; l++) {
      layers[l].finish(x, mixerOutputs[l], model.weights(l));
      if (l + 1 < layers.length) {
        model.ops().optim().sum(layers[l].middle, layers[l].mlpOutput, x);
      } else {
        layers[l].next(x, model.finalNorm(), normed, null);
      }
    }
    model.ops().linear().forward(normed, model.lmHead(), logits, false);
    return logits;
  }

  @Override
  public void close() {
    memory.close();
  }
}
