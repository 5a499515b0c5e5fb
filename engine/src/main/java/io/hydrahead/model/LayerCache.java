package io.hydrahead.model;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;

/**
 * What one layer remembers of one sequence: keys and values of the kept KV heads, recurrent state
 * of the linear heads (float32), and the last inputs of the short convolutions, or keys and values
 * of the windowed heads.
 */
final class LayerCache {
  /** [g, capacity, d], or null without full heads. */
  final Tensor keys;

  final Tensor values;

  /** [1, h, K, V], with K = V = d but in Qwen3.5, or null without recurrent heads. */
  final Tensor state;

  /** Or null without windowed heads. */
  final WindowCache window;

  /** Where several sequences have theirs in common pools, or null; then all others are. */
  final PooledLayer pooled;

  /** [1, k − 1, width of q], or null without convolutions. */
  final Tensor qHistory;

  final Tensor kHistory;
  final Tensor vHistory;
  private final int kvHeads;
  private final int headDim;
  private final long capacity;

  LayerCache(HybridTransformer model, int layer, int capacity, Workspace memory) {
    pooled = null;
    ModelConfig c = model.config();
    HeadPlan plan = model.plan();
    Style style = model.style();
    DType activations = model.ops().activations();
    kvHeads = plan.keptKvHeads(layer, c.kvHeads()).length;
    headDim = c.headDim();
    this.capacity = capacity;
    int linear = plan.linearHeads(layer).length;
    keys = kvHeads > 0 ? memory.allocate(activations, kvHeads, capacity, headDim) : null;
    values = kvHeads > 0 ? memory.allocate(activations, kvHeads, capacity, headDim) : null;
    long width = (long) linear * headDim;
    boolean windowed = linear > 0 && style.windowed();
    window = windowed ? new WindowCache(style, capacity, width, activations, memory) : null;
    if (linear > 0 && style.qwen35()) {
      DeltaNetConfig n = c.deltaNet();
      int past = n.convKernel() - 1;
      state = memory.zeros(1, n.valueHeads(), n.keyDim(), n.valueDim());
      qHistory = memory.f32(1, past, n.keyWidth());
      kHistory = memory.f32(1, past, n.keyWidth());
      vHistory = memory.f32(1, past, n.valueWidth());
    } else {
      state = linear > 0 && !windowed ? memory.zeros(1, linear, headDim, headDim) : null;
      boolean conv = linear > 0 && style.convKernel() > 0;
      qHistory = conv ? memory.f32(1, style.convKernel() - 1, width) : null;
      kHistory = conv ? memory.f32(1, style.convKernel() - 1, width) : null;
      vHistory = conv ? memory.f32(1, style.convKernel() - 1, width) : null;
    }
    clear();
  }

  /**
   * Room for {@code branches} continuations of what {@code trunk} remembers: recurrent states of
   * their own, [branches, …], and the trunk's keys and values, behind which one branch at a time
   * may write its own; a window's they only read.
   */
  LayerCache(LayerCache trunk, int branches, Workspace memory) {
    pooled = null;
    kvHeads = trunk.kvHeads;
    headDim = trunk.headDim;
    capacity = trunk.capacity;
    keys = trunk.keys;
    values = trunk.values;
    window = trunk.window;
    state = several(trunk.state, branches, memory);
    qHistory = several(trunk.qHistory, branches, memory);
    kHistory = several(trunk.kHistory, branches, memory);
    vHistory = several(trunk.vHistory, branches, memory);
  }

  /** Of several sequences. */
  LayerCache(PooledLayer pooled) {
    this.pooled = pooled;
    kvHeads = 0;
    headDim = 0;
    capacity = 0;
    keys = null;
    values = null;
    state = null;
    window = null;
    qHistory = null;
    kHistory = null;
    vHistory = null;
  }

  private static Tensor several(Tensor one, int branches, Workspace memory) {
    if (one == null) {
      return null;
    }
    long[] shape = one.shape();
    shape[0] = branches;
    return memory.f32(shape);
  }

  /** Every branch starts where {@code trunk} stands. */
  void branchOff(LayerCache trunk) {
    Tensor[] own = recurrent();
    Tensor[] from = trunk.recurrent();
    for (int i = 0; i < own.length; i++) {
      own[i].repeat(from[i]);
    }
  }

  /** Stores keys and values [T, g·d] of positions start … start + T − 1. Allocates nothing. */
  void append(Tensor k, Tensor v, int start, int tokens) {
    store(k, keys, start, tokens);
    store(v, values, start, tokens);
  }

  private void store(Tensor from, Tensor to, int start, int tokens) {
    long element = from.dtype().bytes();
    long row = headDim * element;
    for (int g = 0; g < kvHeads; g++) {
      from.memory()
          .copyRows(
              from.segment(),
              g * row,
              from.rowStride() * element,
              to.segment(),
              (g * capacity + start) * row,
              row,
              row,
              tokens);
    }
  }

  /** Repeats {@code noise}, host memory of activations, over keys and values. */
  void fill(Tensor noise) {
    if (keys != null) {
      keys.repeat(noise);
      values.repeat(noise);
    }
    if (window != null) {
      window.fill(noise);
    }
  }

  /** Forgets everything. Keys and values need no clearing: the position says how many count. */
  void clear() {
    for (Tensor t : recurrent()) {
      t.fill(0f);
    }
  }

  /** What a short convolution remembers; null without one. */
  Tensor history(PooledLayer.Line line) {
    return switch (line) {
      case Q -> qHistory;
      case K -> kHistory;
      case V -> vHistory;
    };
  }

  /** State and convolution inputs, those that exist. */
  Tensor[] recurrent() {
    if (state == null) {
      return new Tensor[0];
    }
    return qHistory == null
        ? new Tensor[] {state}
        : new Tensor[] {state, qHistory, kHistory, vHistory};
  }

  /** What a mark must copy, since reading on writes over it. */
  Tensor[] overwritten() {
    return window == null ? recurrent() : new Tensor[] {window.keys, window.values};
  }
}
