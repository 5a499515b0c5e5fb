package io.hydrahead.cli;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.Recurrence;
import io.hydrahead.tensor.Tensor;
import java.util.Random;
import java.util.stream.Stream;

/**
 * What a model has to do for a token. FLOPs: forward 2 a matrix weight with the LM head, 2·d·T for
 * each full head over T tokens and 6·K·V + 4·64·(K + V) for each linear head in chunks, where K = V
 * = d but in Qwen3.5; decoding 4·d a key for each full head and 8·K·V for each linear head.
 * Windowed heads are full heads that see no more than window and sinks: 4·d a key, of which a text
 * of T has min(T / 2, W + S) a token.
 */
record ModelWork(HybridTransformer model) {
  private ModelConfig config() {
    return model.config();
  }

  /** FLOPs of a token of a text of {@code tokens}. */
  double forwardFlops(int tokens) {
    double d = config().headDim();
    Recurrence r = recurrence();
    return 2.0 * matrixWeights()
        + 2.0 * d * model.plan().fullCount() * tokens
        + (windowed()
            ? windowedHeads() * 4 * d * Math.min(tokens / 2.0, seen())
            : 6.0 * r.stateFloats() + r.heads() * 4.0 * 64 * (r.keyDim() + r.valueDim()));
  }

  private boolean windowed() {
    return model.style().windowed();
  }

  /** Positions that a windowed head sees. */
  private double seen() {
    return (double) model.style().window() + model.style().sinks();
  }

  /** FLOPs of a token that is decoded behind {@code context} others. */
  double decodeFlops(int context) {
    double d = config().headDim();
    return 2.0 * matrixWeights()
        + 4.0 * d * model.plan().fullCount() * context
        + (windowed()
            ? windowedHeads() * 4.0 * d * Math.min(context, seen())
            : 8.0 * recurrence().stateFloats());
  }

  /** FLOPs of the logits of one token. */
  double headFlops() {
    return 2.0 * config().vocabSize() * config().hiddenSize();
  }

  private int windowedHeads() {
    return config().layers() * config().heads() - model.plan().fullCount();
  }

  /** The states that a token reads and writes. */
  Recurrence recurrence() {
    return Recurrence.of(config(), model.plan(), model.style());
  }

  double matrixWeights() {
    return matrices().mapToDouble(Tensor::size).sum();
  }

  /** Bytes of the matrices as the parameters are stored. */
  double matrixBytes() {
    return matrices().mapToDouble(Tensor::bytes).sum();
  }

  /** Those that take part in a product: without a look-up embedding, with the LM head. */
  private Stream<Tensor> matrices() {
    return model.parameters().names().stream()
        .filter(name -> config().tiedEmbeddings() || !name.contains("embed_tokens"))
        .map(model.parameters()::get)
        .filter(t -> t.rank() == 2);
  }

  /** The same {@code n} tokens every time. */
  int[] text(int n) {
    return new Random(n).ints(n, 0, config().vocabSize()).toArray();
  }
}
