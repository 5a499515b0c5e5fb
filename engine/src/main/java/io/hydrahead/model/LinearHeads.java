package io.hydrahead.model;

import io.hydrahead.tensor.Tensor;

/**
 * The heads of one layer that are not full, from projections to outputs. N = B·T rows, h such
 * heads, d head dim (but see {@link Qwen35Heads}). What they do is the style's {@link
 * Style.LinearKind}.
 */
abstract class LinearHeads {
  /**
   * Parameters besides the projections, or their gradients; those that the kind does not have are
   * null.
   */
  record Weights(
      Tensor qConv,
      Tensor kConv,
      Tensor vConv,
      SoftmaxHeads.Norms norms,
      Tensor aLog,
      Tensor dtBias,
      Tensor outNorm) {

    static Weights of(ParameterStore s, int layer, Style style) {
      String p = ParameterShapes.attention(layer) + "linear_";
      boolean qwen35 = style.qwen35();
      boolean conv = qwen35 || style.convKernel() > 0;
      boolean decays = !style.windowed();
      return new Weights(
          conv ? s.get(p + "q_conv.weight") : null,
          conv ? s.get(p + "k_conv.weight") : null,
          conv ? s.get(p + "v_conv.weight") : null,
          qwen35
              ? null
              : new SoftmaxHeads.Norms(s.get(p + "q_norm.weight"), s.get(p + "k_norm.weight")),
          decays ? s.get(p + "A_log") : null,
          decays ? s.get(p + "dt_bias") : null,
          qwen35 ? s.get(p + "norm.weight") : null);
    }
  }

  /**
   * Projections of the normed input, or their gradients; z is null without a gate, a and b without
   * decays.
   */
  record Inputs(Tensor q, Tensor k, Tensor v, Tensor z, Tensor a, Tensor b) {}

  /** Gradient buffers, which layers may share. */
  abstract static class Gradients {
    /** Gradient of the outputs, to be filled before {@link LinearHeads#backward}. */
    final Tensor dOut;

    /** Gradients of the projections. */
    final Inputs in;

    Gradients(Tensor dOut, Inputs in) {
      this.dOut = dOut;
      this.in = in;
    }

    /** Gradient of the gate, to be filled before the projections' backward pass; or null. */
    Tensor dZ() {
      return in.z;
    }
  }

  final int[] heads;
  final Inputs in;

  LinearHeads(int[] heads, Inputs in) {
    this.heads = heads;
    this.in = in;
  }

  /**
   * The heads as the style wants them.
   *
   * @param concatenation where the layer's heads go before W_o; those of Qwen3.5 go there directly
   */
  static LinearHeads of(
      PassSpec spec, int layer, Buffers buffers, Inputs in, Tensor concatenation) {
    return switch (spec.style().linearKind()) {
      case GATED_DELTA -> new GatedDeltaHeads(spec, layer, buffers, in);
      case WINDOW -> new WindowHeads(spec, layer, buffers, in);
      case QWEN3_5 -> new Qwen35Heads(spec, layer, buffers, in, concatenation);
    };
  }

  /** Gate pre-activations [N, h·d], or null. */
  final Tensor z() {
    return in.z;
  }

  /** Outputs [N, h·d]. */
  abstract Tensor out();

  /** Fills {@link #out}. */
  abstract void forward(Weights w, Position at, LayerCache cache);

  /**
   * Buffers for {@link #backward}.
   *
   * @param in where the gradients of the projections go
   * @param dConcatenation where that of the layer's concatenation is
   */
  abstract Gradients gradients(Buffers b, Inputs in, Tensor dConcatenation);

  /** From the gradient of {@link #out} to those of the projections and parameters. */
  abstract void backward(Weights w, Weights dw, Position at, Gradients g);
}
