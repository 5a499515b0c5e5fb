package io.hydrahead.ops.decode;

import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.util.List;

/**
 * Decoding as one operation: a token goes through all layers of a model at once. Batch 1 is bound
 * by reading the weights; what the layers' single operations would wait for between their launches
 * costs as much again. The same function as those operations one after the other, which stay its
 * reference.
 *
 * <p>D hidden size, H query heads, d head dim, F width of the MLP, V vocabulary.
 */
public interface TokenDecoder {
  /** Decodes nothing: models run their operations one after the other. */
  TokenDecoder NONE =
      new TokenDecoder() {
        @Override
        public boolean supports(Shape shape) {
          return false;
        }

        @Override
        public Decoder open(Model model, List<Layer> layers, Workspace memory) {
          throw new UnsupportedOperationException("there is no decoder for this device");
        }
      };

  /**
   * @param mostSharing most full query heads that share a KV head in any layer
   * @param convolutions whether linear heads have short convolutions
   */
  record Shape(
      int hidden, int heads, int headDim, int mlp, int mostSharing, boolean convolutions) {}

  /**
   * @param inverseFrequency rotary: radians a position, [d/2]
   * @param rotaryScaling factor of cosines and sines
   * @param gated whether heads have output gates z
   * @param normed whether heads are normalised before the gate
   * @param lengthBase a of s_t = log_a(t + a) on full heads; 0 is s_t = 1
   * @param capacity tokens that the caches hold
   */
  record Model(
      Shape shape,
      Tensor embedding,
      Tensor lmHead,
      Tensor finalNorm,
      double[] inverseFrequency,
      double rotaryScaling,
      boolean fullRotary,
      boolean linearRotary,
      boolean gated,
      boolean normed,
      float eps,
      float betaMax,
      float lengthBase,
      long capacity) {}

  /**
   * One layer.
   *
   * @param in [R, D], rows of the full heads' q, k, v and (if gated) z, then of the linear heads'
   *     q, k, v, z, a, b, as far as there are such heads
   * @param o [D, H·d]
   * @param gateUp [2 F, D]
   * @param down [D, F]
   * @param gamma [H], or null
   * @param full its full heads, or null
   * @param linear its linear heads, or null
   */
  record Layer(
      Tensor in,
      Tensor o,
      Tensor gateUp,
      Tensor down,
      Tensor inputNorm,
      Tensor postNorm,
      Tensor gamma,
      Full full,
      Linear linear) {}

  /**
   * Full heads of a layer.
   *
   * @param heads their places among the H
   * @param kvOf which of the kept KV heads each reads, ascending
   * @param keys cache [kept KV heads, capacity, d]
   * @param zBias [h·d], or null
   */
  record Full(
      int[] heads,
      int[] kvOf,
      Tensor qNorm,
      Tensor kNorm,
      Tensor zBias,
      Tensor keys,
      Tensor values) {}

  /**
   * Linear heads of a layer.
   *
   * @param heads their places among the H
   * @param state [h, d, d] float32
   */
  record Linear(
      int[] heads, Tensor qNorm, Tensor kNorm, Tensor aLog, Tensor dtBias, Tensor state) {}

  /** Whether {@link #open} will take a model of this shape. */
  boolean supports(Shape shape);

  /**
   * A decoder of one sequence. Its buffers come from {@code memory}; the caches are the layers'.
   */
  Decoder open(Model model, List<Layer> layers, Workspace memory);

  /**
   * Decodes one sequence. What it took besides the memory it was given ends with {@link #close}.
   */
  interface Decoder extends AutoCloseable {
    /**
     * Id to be read and tokens read so far, [2] I32. After {@link #step} the most likely next id
     * and one token more.
     */
    Tensor tokenAndPosition();

    /** Float32 [V] after the last step. */
    Tensor logits();

    /** Reads one token. Allocates nothing and waits for nothing. */
    void step();

    @Override
    void close();
  }
}
