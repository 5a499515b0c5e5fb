package io.hydrahead.model;

import io.hydrahead.ops.attention.CausalAttention.Window;
import io.hydrahead.ops.headprep.HeadPrep;
import io.hydrahead.tensor.Tensor;
import java.util.stream.IntStream;

/**
 * The linear heads of one layer as softmax attention over a window of the past and the first
 * positions, each with keys and values of its own: the control {@link Style.LinearKind#WINDOW}.
 */
final class WindowHeads extends LinearHeads {
  private final int batch;
  private final int tokens;

  /** Over what the window leaves of the past. */
  private final SoftmaxHeads attention;

  /** Whether a single token sees everything in the ring, in whatever order it lies there. */
  private final boolean unordered;

  /** The past that the window leaves and the piece itself, [most + T, h·d]; null if not needed. */
  private final Tensor keys;

  private final Tensor values;

  WindowHeads(PassSpec spec, int layer, Buffers buffers, Inputs in) {
    super(spec.plan().linearHeads(layer), in);
    batch = spec.batch();
    tokens = spec.tokens();
    Style style = spec.style();
    int h = heads.length;
    unordered = spec.cached() && batch * tokens == 1 && !spec.ops().deterministic();
    Window window = unordered ? Window.ALL : new Window(style.window(), style.sinks());
    SoftmaxHeads.Kind kind = new SoftmaxHeads.Kind(IntStream.range(0, h).toArray(), h, window);
    attention =
        new SoftmaxHeads(
            spec, kind, buffers, new SoftmaxHeads.Inputs(in.q(), in.k(), in.v()), null);
    if (spec.cached() && !unordered) {
      long rows = WindowCache.mostBefore(style, spec.capacity()) + tokens;
      long width = (long) h * spec.config().headDim();
      keys = buffers.elements(rows, width);
      values = buffers.elements(rows, width);
    } else {
      keys = null;
      values = null;
    }
  }

  @Override
  Tensor out() {
    return attention.out;
  }

  @Override
  void forward(Weights w, Position at, LayerCache cache) {
    HeadPrep.Tables rotary = at.linear();
    attention.prepare(w.norms(), rotary, rotary);
    if (cache == null) {
      attention.attend();
      return;
    }
    if (cache.pooled != null) {
      attention.attendWindows(cache.pooled, keys, values);
      return;
    }
    WindowCache ring = cache.window;
    if (unordered) {
      ring.append(attention.k, attention.v(), at.start(), 1);
      attention.attend(0, ring.filled(at.start() + 1) - 1, ring.keys, ring.values);
      return;
    }
    int before = ring.before(at.start(), keys, values);
    for (int b = 0; b < batch; b++) {
      WindowCache.copy(attention.k, b * tokens, keys, before, tokens);
      WindowCache.copy(attention.v(), b * tokens, values, before, tokens);
      attention.attend(b, before, keys, values);
    }
    if (batch == 1) { // else they are continuations, none of which is the text
      ring.append(attention.k, attention.v(), at.start(), tokens);
    }
  }

  @Override
  LinearHeads.Gradients gradients(Buffers b, Inputs in, Tensor dConcatenation) {
    return new Gradients(this, b, in);
  }

  private static final class Gradients extends LinearHeads.Gradients {
    private final SoftmaxHeads.Gradients attention;

    private Gradients(SoftmaxHeads.Gradients attention, Inputs in) {
      super(attention.dOut, in);
      this.attention = attention;
    }

    Gradients(WindowHeads h, Buffers b, Inputs in) {
      this(
          new SoftmaxHeads.Gradients(
              h.attention, b, new SoftmaxHeads.Inputs(in.q(), in.k(), in.v()), null),
          in);
    }
  }

  @Override
  void backward(Weights w, Weights dw, Position at, LinearHeads.Gradients gradients) {
    SoftmaxHeads.Gradients g = ((Gradients) gradients).attention;
    attention.backward(w.norms(), dw.norms(), at.linear(), at.linear(), g);
  }
}
