package io.hydrahead.model;

import io.hydrahead.ops.attention.CausalAttention;
import io.hydrahead.tensor.Tensor;
import java.util.Arrays;

/**
 * The full-attention heads of one layer: softmax attention over the whole past, with the keys and
 * values of the kept KV heads. N = B·T rows, h full heads, g kept KV heads, d head dim.
 */
final class FullHeads {
  /**
   * Parameters besides the projections, or their gradients; zBias is null where the gate has none.
   */
  record Weights(SoftmaxHeads.Norms norms, Tensor zBias) {
    static Weights of(ParameterStore s, int layer, boolean bias) {
      String p = ParameterShapes.attention(layer);
      return new Weights(
          new SoftmaxHeads.Norms(s.get(p + "q_norm.weight"), s.get(p + "k_norm.weight")),
          bias ? s.get(p + "z_proj.bias") : null);
    }
  }

  /** Projections of the normed input, or their gradients; z is null without a gate. */
  record Inputs(Tensor q, Tensor k, Tensor v, Tensor z) {
    private SoftmaxHeads.Inputs attended() {
      return new SoftmaxHeads.Inputs(q, k, v);
    }
  }

  final int[] heads;
  private final int batch;
  private final int tokens;
  private final Tensor z;
  private final SoftmaxHeads attention;

  /** Outputs [N, h·d]: given, or the layer's concatenation when nothing follows but W_o. */
  final Tensor out;

  FullHeads(PassSpec spec, int layer, Buffers buffers, Inputs in, Tensor concatenation) {
    ModelConfig config = spec.config();
    batch = spec.batch();
    tokens = spec.tokens();
    z = in.z;
    heads = spec.plan().fullHeads(layer);
    int[] kept = spec.plan().keptKvHeads(layer, config.kvHeads());
    int[] kvOf = new int[heads.length];
    for (int i = 0; i < heads.length; i++) {
      kvOf[i] = Arrays.binarySearch(kept, heads[i] / config.group());
    }
    SoftmaxHeads.Kind kind = new SoftmaxHeads.Kind(kvOf, kept.length, CausalAttention.Window.ALL);
    attention = new SoftmaxHeads(spec, kind, buffers, in.attended(), concatenation);
    out = attention.out;
  }

  /** Gate pre-activations [N, h·d], or null. */
  Tensor z() {
    return z;
  }

  /** Fills {@link #out}. */
  void forward(Weights w, Position at, LayerCache cache, HeadTap tap, int layer) {
    attention.prepare(w.norms, at.fullQueries(), at.fullKeys());
    tap.queriesAndKeys(layer, attention.q, attention.k);
    if (cache == null) {
      attention.attend();
      return;
    }
    if (cache.pooled != null) {
      attention.attend(cache.pooled);
      return;
    }
    // Several sequences are continuations: each in turn writes its keys behind the common text.
    for (int b = 0; b < batch; b++) {
      Tensor k = attention.of(b, attention.k);
      cache.append(k, attention.of(b, attention.v()), at.start(), tokens);
      attention.attend(b, at.start(), cache.keys, cache.values);
    }
  }

  /** Gradient buffers, which layers may share. */
  static final class Gradients {
    private final Tensor dZ;
    private final SoftmaxHeads.Gradients attention;

    /** Gradient of the outputs, to be filled before {@link FullHeads#backward}. */
    final Tensor dOut;

    Gradients(FullHeads f, Buffers b, Inputs in, Tensor concatenation) {
      dZ = in.z;
      attention = new SoftmaxHeads.Gradients(f.attention, b, in.attended(), concatenation);
      dOut = attention.dOut;
    }

    /** Gradient of the gate, to be filled before the projections' backward pass; or null. */
    Tensor dZ() {
      return dZ;
    }
  }

  /** From the gradient of {@link #out} to those of the projections and parameters. */
  void backward(Weights w, Weights dw, Position at, Gradients g) {
    attention.backward(w.norms, dw.norms, at.fullQueries(), at.fullKeys(), g.attention);
  }
}
