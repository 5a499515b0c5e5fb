package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.fusion.HeadFusion;
import io.hydrahead.tensor.Tensor;

/**
 * One decoder layer at fixed sizes: h = x + W_o·fuse(heads(norm(x))), y = h + mlp(norm(h)). N = B·T
 * rows, D width, H heads, d head dim, F MLP width. Forward and backward are mirror images.
 */
final class LayerPass {
  /** Parameters of a layer, or their gradients; absent ones are null. */
  record Weights(
      Tensor inputNorm,
      FullHeads.Weights full,
      LinearHeads.Weights linear,
      Tensor gamma,
      Tensor o,
      Tensor postNorm,
      Tensor gate,
      Tensor up,
      Tensor down) {

    static Weights of(ParameterStore s, HeadPlan plan, Style style, int layer) {
      String p = ParameterShapes.layer(layer);
      String attention = ParameterShapes.attention(layer);
      int full = plan.fullHeads(layer).length;
      return new Weights(
          s.get(p + "input_layernorm.weight"),
          full > 0 ? FullHeads.Weights.of(s, layer, style.gate()) : null,
          full < plan.heads() ? LinearHeads.Weights.of(s, layer, style) : null,
          style.gamma() ? s.get(attention + "gamma") : null,
          s.get(attention + "o_proj.weight"),
          s.get(p + "post_attention_layernorm.weight"),
          s.get(p + "mlp.gate_proj.weight"),
          s.get(p + "mlp.up_proj.weight"),
          s.get(p + "mlp.down_proj.weight"));
    }
  }

  private final int layer;
  private final Ops ops;
  private final ModelConfig config;
  private final HeadFusion.Switches switches;
  private final boolean direct;
  private final Tensor normed;
  private final Tensor rstd;
  private final Tensor concatenation;
  private final FullHeads full;
  private final LinearHeads linear;
  private final Tensor fullRstd;
  private final Tensor linearRstd;

  /** a = W_o·fused, [N, D]. */
  final Tensor mixerOutput;

  private final Tensor middle;
  private final Tensor middleNormed;
  private final Tensor middleRstd;
  private final Tensor gate;
  private final Tensor up;
  private final Tensor activated;

  LayerPass(PassSpec spec, int layer, Buffers b) {
    this.layer = layer;
    ops = spec.ops();
    config = spec.config();
    Style style = spec.style();
    switches =
        new HeadFusion.Switches(
            style.fusionNorm(), style.gamma(), style.gate(), config.rmsNormEps());
    int n = spec.rows();
    int fullHeads = spec.plan().fullHeads(layer).length;
    direct = style.isVanilla() && fullHeads == config.heads();
    boolean training = spec.training();
    normed = b.f32(n, config.hiddenSize());
    rstd = training ? b.f32(n) : null;
    concatenation = b.f32(n, (long) config.heads() * config.headDim());
    full = fullHeads > 0 ? new FullHeads(spec, layer, b, direct ? concatenation : null) : null;
    linear = fullHeads < config.heads() ? new LinearHeads(spec, layer, b) : null;
    fullRstd = training && full != null ? b.f32(n, fullHeads) : null;
    linearRstd = training && linear != null ? b.f32(n, config.heads() - fullHeads) : null;
    mixerOutput = b.f32(n, config.hiddenSize());
    middle = b.f32(n, config.hiddenSize());
    middleNormed = b.f32(n, config.hiddenSize());
    middleRstd = training ? b.f32(n) : null;
    gate = b.f32(n, config.intermediateSize());
    up = b.f32(n, config.intermediateSize());
    activated = b.f32(n, config.intermediateSize());
  }

  /** y [N, D] from x [N, D]; {@code cache} is null in training. */
  void forward(Tensor x, Tensor y, Weights w, Position at, LayerCache cache, HeadTap tap) {
    mix(x, w, at, cache, tap);
    finish(x, mixerOutput, y, w);
  }

  /**
   * The layer's second half: y = h + mlp(norm(h)) with h = x + a; the attention output a is given.
   */
  void finish(Tensor x, Tensor a, Tensor y, Weights w) {
    ops.optim().sum(x, a, middle);
    ops.rmsNorm().forward(middle, w.postNorm, config.rmsNormEps(), middleNormed, middleRstd);
    ops.linear().forward(middleNormed, w.gate, gate, false);
    ops.linear().forward(middleNormed, w.up, up, false);
    ops.swiGlu().forward(gate, up, activated);
    ops.linear().forward(activated, w.down, y, false);
    ops.optim().axpy(1f, middle, y);
  }

  /** The attention block alone: fills {@link #mixerOutput} from x. */
  void mix(Tensor x, Weights w, Position at, LayerCache cache, HeadTap tap) {
    int d = config.headDim();
    ops.rmsNorm().forward(x, w.inputNorm, config.rmsNormEps(), normed, rstd);
    boolean compute = !tap.replacesAll(layer);
    if (full != null && compute) {
      full.forward(normed, w.full, at, cache, tap, layer);
      if (!direct) {
        ops.fusion()
            .forward(
                switches,
                full.out,
                full.z,
                w.full.zBias(),
                w.gamma,
                full.heads,
                d,
                concatenation,
                fullRstd);
      }
    }
    if (linear != null && compute) {
      linear.forward(normed, w.linear, at, cache);
      ops.fusion()
          .forward(
              switches,
              linear.out,
              linear.z,
              null,
              w.gamma,
              linear.heads,
              d,
              concatenation,
              linearRstd);
    }
    tap.headOutputs(layer, concatenation);
    ops.linear().forward(concatenation, w.o, mixerOutput, false);
  }

  /** Gradient buffers of a layer; layers take turns in them. */
  static final class Gradients {
    private final Tensor dConcatenation;
    private final Tensor dNormed;
    private final Tensor dActivated;
    private final Tensor dGate;
    private final Tensor dUp;
    private final Tensor dMiddleNormed;
    private final FullHeads.Gradients full;
    private final LinearHeads.Gradients linear;

    Gradients(LayerPass p, Buffers b) {
      dConcatenation = b.f32(p.concatenation.shape());
      dNormed = b.f32(p.normed.shape());
      dActivated = b.f32(p.activated.shape());
      dGate = b.f32(p.gate.shape());
      dUp = b.f32(p.up.shape());
      dMiddleNormed = b.f32(p.normed.shape());
      full =
          p.full == null
              ? null
              : new FullHeads.Gradients(p.full, b, p.direct ? dConcatenation : null);
      linear = p.linear == null ? null : new LinearHeads.Gradients(p.linear, b);
    }
  }

  /** Turns the gradient of y, in {@code dResidual} [N, D], into that of x, in place. */
  void backward(Tensor x, Weights w, Weights dw, Position at, Gradients g, Tensor dResidual) {
    ops.linear().backwardWeight(dResidual, activated, dw.down);
    ops.linear().backwardInput(dResidual, w.down, g.dActivated, false);
    ops.swiGlu().backward(gate, up, g.dActivated, g.dGate, g.dUp);
    ops.linear().backwardWeight(g.dGate, middleNormed, dw.gate);
    ops.linear().backwardWeight(g.dUp, middleNormed, dw.up);
    ops.linear().backwardInput(g.dGate, w.gate, g.dMiddleNormed, false);
    ops.linear().backwardInput(g.dUp, w.up, g.dMiddleNormed, true);
    ops.rmsNorm()
        .backward(middle, w.postNorm, middleRstd, g.dMiddleNormed, dResidual, true, dw.postNorm);
    unmix(w, dw, at, g, dResidual, true);
    ops.rmsNorm().backward(x, w.inputNorm, rstd, g.dNormed, dResidual, true, dw.inputNorm);
  }

  /**
   * Backward of {@link #mix} from the gradient {@code dMixed} [N, D] of its output, to the
   * parameters of the attention block and, with {@code inputs}, to its normed input.
   */
  void unmix(Weights w, Weights dw, Position at, Gradients g, Tensor dMixed, boolean inputs) {
    int d = config.headDim();
    ops.linear().backwardWeight(dMixed, concatenation, dw.o);
    ops.linear().backwardInput(dMixed, w.o, g.dConcatenation, false);
    Tensor dNormed = inputs ? g.dNormed : null;
    if (full != null) {
      if (!direct) {
        ops.fusion()
            .backward(
                switches,
                full.out,
                full.z,
                w.full.zBias(),
                w.gamma,
                full.heads,
                d,
                fullRstd,
                g.dConcatenation,
                g.full.dOut,
                g.full.dZ,
                dw.full.zBias(),
                dw.gamma);
      }
      full.backward(normed, w.full, dw.full, at, g.full, dNormed);
    }
    if (linear != null) {
      ops.fusion()
          .backward(
              switches,
              linear.out,
              linear.z,
              null,
              w.gamma,
              linear.heads,
              d,
              linearRstd,
              g.dConcatenation,
              g.linear.dOut,
              g.linear.dZ,
              null,
              dw.gamma);
      linear.backward(normed, w.linear, dw.linear, at, g.linear, dNormed, full != null);
    }
  }
}
