package io.hydrahead.model;

import io.hydrahead.ops.decode.TokenDecoder;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Decoding of one sequence as one operation a token, where the operations have it. */
final class FusedDecode implements AutoCloseable {
  private final TokenDecoder.Decoder decoder;
  private final int[] next = new int[2];

  /** The most likely next id, on the host. */
  private final Tensor chosen = Tensor.allocate(Arena.ofAuto(), DType.I32, 1);

  /** What the device's own counters stand at: nothing need be sent when a reply goes on with it. */
  private int deviceToken = -1;

  private int devicePosition = -1;

  private FusedDecode(TokenDecoder.Decoder decoder) {
    this.decoder = decoder;
  }

  private static TokenDecoder.Shape shape(HybridTransformer model) {
    ModelConfig c = model.config();
    int sharing = 0;
    for (int l = 0; l < c.layers(); l++) {
      int[] users = new int[c.kvHeads()];
      for (int head : model.plan().fullHeads(l)) {
        sharing = Math.max(sharing, ++users[head / c.group()]);
      }
    }
    return new TokenDecoder.Shape(
        c.hiddenSize(),
        c.heads(),
        c.headDim(),
        c.intermediateSize(),
        sharing,
        model.style().convKernel() > 0);
  }

  /**
   * Whether the model's operations decode it so. A model with windowed heads runs its operations
   * one after the other: it is a control of experiments, which no kernel of its own is written for.
   * So does Qwen3.5, whose linear layers are others.
   */
  static boolean supports(HybridTransformer model) {
    return !model.style().qwen35()
        && !(model.style().windowed() && model.plan().fullCount() < heads(model))
        && model.ops().decoder().supports(shape(model));
  }

  private static int heads(HybridTransformer model) {
    return model.config().layers() * model.config().heads();
  }

  static FusedDecode open(
      HybridTransformer model, LayerCache[] caches, int capacity, Workspace memory) {
    ModelConfig c = model.config();
    Style style = model.style();
    RotaryTable table = new RotaryTable(c.rotary(), c.headDim());
    double[] frequencies = new double[c.headDim() / 2];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = table.frequency(i);
    }
    boolean log = style.lengthScale() == Style.LengthScale.LOG;
    TokenDecoder.Model m =
        new TokenDecoder.Model(
            shape(model),
            model.embedding(),
            model.lmHead(),
            model.finalNorm(),
            frequencies,
            table.scaling(),
            style.fullRotary(),
            style.linearRotary(),
            style.gate(),
            style.fusionNorm(),
            c.rmsNormEps(),
            style.betaMax(),
            log ? (float) style.logScaleBase() : 0f,
            capacity);
    List<TokenDecoder.Layer> layers = new ArrayList<>();
    for (int l = 0; l < c.layers(); l++) {
      layers.add(layer(model, l, caches[l]));
    }
    return new FusedDecode(model.ops().decoder().open(m, layers, memory));
  }

  private static TokenDecoder.Layer layer(HybridTransformer model, int l, LayerCache cache) {
    LayerPass.Weights w = model.weights(l);
    int[] full = model.plan().fullHeads(l);
    int[] linear = model.plan().linearHeads(l);
    int[] kept = model.plan().keptKvHeads(l, model.config().kvHeads());
    int group = model.config().group();
    return new TokenDecoder.Layer(
        w.attention().packed(),
        w.o(),
        w.mlp().packed(),
        w.down(),
        w.inputNorm(),
        w.postNorm(),
        w.gamma(),
        full.length == 0
            ? null
            : new TokenDecoder.Full(
                full,
                Arrays.stream(full).map(h -> Arrays.binarySearch(kept, h / group)).toArray(),
                w.full().norms().q(),
                w.full().norms().k(),
                w.full().zBias(),
                cache.keys,
                cache.values),
        linear.length == 0
            ? null
            : new TokenDecoder.Linear(
                linear,
                w.linear().norms().q(),
                w.linear().norms().k(),
                w.linear().aLog(),
                w.linear().dtBias(),
                cache.state));
  }

  private void step(int id, int position) {
    if (id != deviceToken || position != devicePosition) {
      next[0] = id;
      next[1] = position;
      decoder.tokenAndPosition().copyFrom(next, 0, 2);
    }
    decoder.step();
    deviceToken = -1;
    devicePosition = position + 1;
  }

  /** Reads {@code id} at {@code position}; logits [V] on the device. */
  Tensor logits(int id, int position) {
    step(id, position);
    return decoder.logits();
  }

  /** Reads {@code id} at {@code position} and returns the most likely next id. */
  int greedy(int id, int position) {
    step(id, position);
    chosen.copyFrom(decoder.tokenAndPosition().rows(0, 1));
    deviceToken = chosen.getInt(0);
    return deviceToken;
  }

  @Override
  public void close() {
    decoder.close();
  }
}
