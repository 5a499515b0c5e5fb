package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.fusion.HeadFusion;
import io.hydrahead.tensor.Tensor;
import java.util.function.IntFunction;
import java.util.stream.LongStream;

/**
 * One decoder layer at fixed sizes: h = x + W_o·fuse(heads(norm(x))), y = h + mlp(norm(h)). N = B·T
 * rows, D width, H heads, d head dim, F MLP width. Forward and backward are mirror images.
 *
 * <p>The last sum is left to whoever comes next ({@link #next}), who needs its norm too: one
 * operation does both.
 */
final class LayerPass {
  /** Parameters of a layer, or their gradients; absent ones are null. */
  record Weights(
      Tensor inputNorm,
      Projections.Weights attention,
      FullHeads.Weights full,
      LinearHeads.Weights linear,
      Tensor gamma,
      Tensor o,
      Tensor postNorm,
      Projections.Weights mlp,
      Tensor down) {

    static Weights of(ParameterStore s, HeadPlan plan, Style style, boolean packed, int layer) {
      String p = ParameterShapes.layer(layer);
      String attention = ParameterShapes.attention(layer);
      int full = plan.fullHeads(layer).length;
      return new Weights(
          s.get(p + "input_layernorm.weight"),
          Projections.Weights.of(s, packed, ParameterShapes.attentionInputs(layer, s::contains)),
          full > 0 ? FullHeads.Weights.of(s, layer, style.gateBias()) : null,
          full < plan.heads() ? LinearHeads.Weights.of(s, layer, style) : null,
          style.gamma() ? s.get(attention + "gamma") : null,
          s.get(attention + "o_proj.weight"),
          s.get(p + "post_attention_layernorm.weight"),
          Projections.Weights.of(s, packed, ParameterShapes.mlpInputs(layer)),
          s.get(p + "mlp.down_proj.weight"));
    }

    Tensor zBias() {
      return full.zBias();
    }
  }

  private final int layer;
  private final Ops ops;
  private final ModelConfig config;
  private final int rows;
  private final boolean gated;
  private final boolean decays;
  private final HeadFusion.Switches switches;

  /** Whether the full heads' outputs are W_o's input as they are. */
  private final boolean direct;

  /** Whether the linear heads' are: they have gates of their own. */
  private final boolean linearDirect;

  private final Tensor normed;
  private final Tensor rstd;
  private final Projections attention;
  private final Tensor concatenation;
  private final FullHeads full;
  private final LinearHeads linear;
  private final Tensor fullRstd;
  private final Tensor linearRstd;

  /** a = W_o·fused, [N, D]. */
  final Tensor mixerOutput;

  /** h = x + a, [N, D]. */
  final Tensor middle;

  private final Tensor middleNormed;
  private final Tensor middleRstd;
  private final Projections mlp;
  private final Tensor activated;

  /** mlp(norm(h)), [N, D]. */
  final Tensor mlpOutput;

  /**
   * @param kept what the backward pass reads comes from here
   * @param passing the rest: layers may take turns in it, but for the outputs, which are read by
   *     the next layer
   */
  LayerPass(PassSpec spec, int layer, Buffers kept, Buffers passing) {
    this.layer = layer;
    ops = spec.ops();
    config = spec.config();
    Style style = spec.style();
    gated = style.gate();
    decays = !style.windowed();
    switches =
        new HeadFusion.Switches(
            style.fusionNorm(), style.gamma(), style.gate(), config.rmsNormEps());
    int n = spec.rows();
    rows = n;
    int width = config.hiddenSize();
    int fullHeads = spec.plan().fullHeads(layer).length;
    int linearHeads = config.heads() - fullHeads;
    direct = style.isVanilla() && linearHeads == 0;
    linearDirect = style.qwen35() && linearHeads > 0;
    boolean training = spec.training();
    mixerOutput = passing.elements(n, width);
    mlpOutput = passing.elements(n, width);
    normed = kept.elements(n, width);
    rstd = training ? kept.f32(n) : null;
    attention = new Projections(ops, kept, n, widths(spec, layer));
    concatenation =
        kept.elements(
            n,
            linearDirect
                ? config.deltaNet().valueWidth()
                : (long) config.heads() * config.headDim());
    full =
        fullHeads > 0
            ? new FullHeads(
                spec,
                layer,
                kept,
                fullInputs(gated, attention::output),
                direct ? concatenation : null)
            : null;
    linear =
        linearHeads > 0
            ? LinearHeads.of(
                spec,
                layer,
                kept,
                linearInputs(gated, decays, fullHeads > 0, attention::output),
                concatenation)
            : null;
    fullRstd = training && full != null && !direct ? kept.f32(n, fullHeads) : null;
    linearRstd = training && linear != null && !linearDirect ? kept.f32(n, linearHeads) : null;
    middle = kept.elements(n, width);
    middleNormed = kept.elements(n, width);
    middleRstd = training ? kept.f32(n) : null;
    mlp = new Projections(ops, kept, n, config.intermediateSize(), config.intermediateSize());
    activated = kept.elements(n, config.intermediateSize());
  }

  /**
   * All layers of a model, which take turns in the memory behind what {@code memory} has handed
   * out; nothing is kept for a backward pass.
   */
  static LayerPass[] turns(PassSpec spec, Buffers.Overlay memory) {
    int mark = memory.mark();
    LayerPass[] layers = new LayerPass[spec.config().layers()];
    for (int l = 0; l < layers.length; l++) {
      layers[l] = new LayerPass(spec, l, memory.restart(mark), memory);
    }
    return layers;
  }

  /** Row counts of {@link ParameterShapes#attentionInputs}, in that order. */
  private static long[] widths(PassSpec spec, int layer) {
    long d = spec.config().headDim();
    long full = spec.plan().fullHeads(layer).length;
    long kept = spec.plan().keptKvHeads(layer, spec.config().kvHeads()).length;
    long linear = spec.config().heads() - full;
    LongStream.Builder w = LongStream.builder();
    if (linear > 0 && spec.style().qwen35()) {
      DeltaNetConfig n = spec.config().deltaNet();
      w.add(n.keyWidth()).add(n.keyWidth()).add(n.valueWidth()).add(n.valueWidth());
      return w.add(n.valueHeads()).add(n.valueHeads()).build().toArray();
    }
    if (full > 0) {
      w.add(full * d).add(kept * d).add(kept * d);
      if (spec.style().gate()) {
        w.add(full * d);
      }
    }
    if (linear > 0) {
      w.add(linear * d).add(linear * d).add(linear * d);
      if (spec.style().gate()) {
        w.add(linear * d);
      }
      if (!spec.style().windowed()) {
        w.add(linear).add(linear);
      }
    }
    return w.build().toArray();
  }

  private static FullHeads.Inputs fullInputs(boolean gated, IntFunction<Tensor> output) {
    return new FullHeads.Inputs(
        output.apply(0), output.apply(1), output.apply(2), gated ? output.apply(3) : null);
  }

  private static LinearHeads.Inputs linearInputs(
      boolean gated, boolean decays, boolean afterFull, IntFunction<Tensor> output) {
    int kind = gated ? 4 : 3;
    int first = afterFull ? kind : 0;
    return new LinearHeads.Inputs(
        output.apply(first),
        output.apply(first + 1),
        output.apply(first + 2),
        gated ? output.apply(first + 3) : null,
        decays ? output.apply(first + kind) : null,
        decays ? output.apply(first + kind + 1) : null);
  }

  /**
   * The layer, but for its last sum, which {@link #next} makes.
   *
   * @param x input [N, D]: given, or, when there is a layer {@code before}, assigned from its
   *     output
   * @param cache null unless the pass is one with caches
   */
  void forward(Tensor x, LayerPass before, Weights w, Position at, LayerCache cache, HeadTap tap) {
    mix(x, before, w, at, cache, tap);
    finish(x, mixerOutput, w);
  }

  /** y = h + mlp(norm(h)) of the last pass, and its norm with weight {@code w}. */
  void next(Tensor y, Tensor w, Tensor yNormed, Tensor yRstd) {
    ops.rmsNorm().addForward(middle, mlpOutput, w, config.rmsNormEps(), y, yNormed, yRstd);
  }

  /** The layer's second half with the attention output a given: {@link #middle} and the MLP. */
  void finish(Tensor x, Tensor a, Weights w) {
    finishUpToDown(x, a, w);
    ops.linear().forward(activated, w.down, mlpOutput, false);
  }

  private void finishUpToDown(Tensor x, Tensor a, Weights w) {
    ops.rmsNorm()
        .addForward(x, a, w.postNorm, config.rmsNormEps(), middle, middleNormed, middleRstd);
    mlp.forward(middleNormed, w.mlp);
    ops.swiGlu().forward(mlp.output(0), mlp.output(1), activated);
  }

  /** Computes again what the backward pass reads, from the layer's input. */
  void recompute(Tensor x, Weights w, Position at) {
    mix(x, null, w, at, null, HeadTap.NONE);
    finishUpToDown(x, mixerOutput, w);
  }

  /** The attention block alone: fills {@link #mixerOutput}. */
  void mix(Tensor x, LayerPass before, Weights w, Position at, LayerCache cache, HeadTap tap) {
    if (before == null) {
      ops.rmsNorm().forward(x, w.inputNorm, config.rmsNormEps(), normed, rstd);
    } else {
      before.next(x, w.inputNorm, normed, rstd);
    }
    if (!tap.replacesAll(layer)) {
      attention.forward(normed, w.attention);
      heads(w, at, cache, tap);
    }
    if (!linearDirect) {
      tap.headOutputs(layer, concatenation);
    }
    ops.linear().forward(concatenation, w.o, mixerOutput, false);
  }

  /** Few heads do not fill a GPU: those of both kinds run side by side. */
  private void heads(Weights w, Position at, LayerCache cache, HeadTap tap) {
    if (full != null && linear != null && rows > 1) {
      ops.overlap().both(() -> fullHeads(w, at, cache, tap), () -> linearHeads(w, at, cache));
      return;
    }
    if (full != null) {
      fullHeads(w, at, cache, tap);
    }
    if (linear != null) {
      linearHeads(w, at, cache);
    }
  }

  private void fullHeads(Weights w, Position at, LayerCache cache, HeadTap tap) {
    full.forward(w.full, at, cache, tap, layer);
    if (!direct) {
      fuse(full.out, full.z(), w.zBias(), w.gamma, full.heads, fullRstd);
    }
  }

  private void linearHeads(Weights w, Position at, LayerCache cache) {
    linear.forward(w.linear, at, cache);
    if (linearDirect) {
      return;
    }
    fuse(linear.out(), linear.z(), null, w.gamma, linear.heads, linearRstd);
  }

  private void fuse(Tensor o, Tensor z, Tensor bias, Tensor gamma, int[] heads, Tensor oRstd) {
    ops.fusion()
        .forward(switches, o, z, bias, gamma, heads, config.headDim(), concatenation, oRstd);
  }

  /** Gradient buffers of a layer; layers take turns in them. */
  static final class Gradients {
    private final Tensor dConcatenation;
    private final Tensor dNormed;
    private final Tensor dActivated;
    private final Tensor dMiddleNormed;
    private final Projections.Gradients attention;
    private final Projections.Gradients mlp;
    private final FullHeads.Gradients full;
    private final LinearHeads.Gradients linear;

    Gradients(LayerPass p, Buffers b) {
      dConcatenation = b.elements(p.concatenation.shape());
      dNormed = b.elements(p.normed.shape());
      dActivated = b.elements(p.activated.shape());
      dMiddleNormed = b.elements(p.normed.shape());
      attention = new Projections.Gradients(p.attention, b);
      mlp = new Projections.Gradients(p.mlp, b);
      full =
          p.full == null
              ? null
              : new FullHeads.Gradients(
                  p.full,
                  b,
                  fullInputs(p.gated, attention::output),
                  p.direct ? dConcatenation : null);
      linear =
          p.linear == null
              ? null
              : p.linear.gradients(
                  b,
                  linearInputs(p.gated, p.decays, p.full != null, attention::output),
                  dConcatenation);
    }
  }

  /** Turns the gradient of y, in {@code dResidual} [N, D], into that of x, in place. */
  void backward(Tensor x, Weights w, Weights dw, Position at, Gradients g, Tensor dResidual) {
    ops.linear().backwardWeight(dResidual, activated, dw.down);
    ops.linear().backwardInput(dResidual, w.down, g.dActivated, false);
    ops.swiGlu()
        .backward(mlp.output(0), mlp.output(1), g.dActivated, g.mlp.output(0), g.mlp.output(1));
    mlp.backward(middleNormed, w.mlp, dw.mlp, g.mlp, g.dMiddleNormed);
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
    ops.linear().backwardWeight(dMixed, concatenation, dw.o);
    ops.linear().backwardInput(dMixed, w.o, g.dConcatenation, false);
    if (full != null && linear != null) {
      ops.overlap().both(() -> fullBackward(w, dw, at, g), () -> linearBackward(w, dw, at, g));
    } else if (full != null) {
      fullBackward(w, dw, at, g);
    } else {
      linearBackward(w, dw, at, g);
    }
    attention.backward(normed, w.attention, dw.attention, g.attention, inputs ? g.dNormed : null);
  }

  private void fullBackward(Weights w, Weights dw, Position at, Gradients g) {
    if (!direct) {
      unfuse(g, full.out, full.z(), fullRstd, full.heads, w, dw, g.full.dOut, g.full.dZ());
    }
    full.backward(w.full, dw.full, at, g.full);
  }

  private void linearBackward(Weights w, Weights dw, Position at, Gradients g) {
    if (!linearDirect) {
      Tensor o = linear.out();
      unfuse(g, o, linear.z(), linearRstd, linear.heads, w, dw, g.linear.dOut, g.linear.dZ());
    }
    linear.backward(w.linear, dw.linear, at, g.linear);
  }

  private void unfuse(
      Gradients g,
      Tensor o,
      Tensor z,
      Tensor oRstd,
      int[] heads,
      Weights w,
      Weights dw,
      Tensor dO,
      Tensor dZ) {
    boolean biased = full != null && heads == full.heads;
    ops.fusion()
        .backward(
            switches,
            o,
            z,
            biased ? w.zBias() : null,
            w.gamma,
            heads,
            config.headDim(),
            oRstd,
            g.dConcatenation,
            dO,
            dZ,
            biased ? dw.zBias() : null,
            dw.gamma);
  }
}
