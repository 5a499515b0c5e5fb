package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * One sequence being read and continued: prefill in pieces, then decode token by token. Holds the
 * caches: keys and values of kept KV heads only, float32 recurrent state for the linear heads.
 *
 * <p>Pieces end at multiples of {@link #PIECE} in the text, so every chunk lies on the absolute
 * grid. {@link #decode} allocates nothing.
 */
public final class Session implements AutoCloseable {
  /** Most tokens a piece: a multiple of the delta rule's chunk. */
  static final int PIECE = 512;

  private final HybridTransformer model;
  private final int capacity;
  private final Workspace memory;
  private final LayerCache[] caches;
  private final Buffers.Overlay prefillMemory;
  private final Map<Integer, Chain> prefillChains = new HashMap<>();
  private final Chain decodeChain;
  private final int[] one = new int[1];
  private final Tensor lastHidden;
  private final Tensor lastNormed;
  private final Tensor logits;
  private final Tensor logitsRow;
  private int position;

  /** The whole model at a fixed number of tokens. */
  private final class Chain {
    final Position at;
    final Tensor x;
    final Tensor y;
    final Tensor lastOfX;
    final Tensor lastOfY;
    final LayerPass[] layers;
    final PassSpec spec;
    final Tensor tokenIds;

    Chain(int tokens, Buffers.Overlay overlay) {
      ModelConfig c = model.config();
      spec = new PassSpec(c, model.plan(), model.style(), model.ops(), 1, tokens, false);
      overlay.restart();
      at = new Position(spec, overlay);
      tokenIds = memory.allocate(DType.I32, tokens);
      x = overlay.f32(tokens, c.hiddenSize());
      y = overlay.f32(tokens, c.hiddenSize());
      lastOfX = x.rows(tokens - 1, 1);
      lastOfY = y.rows(tokens - 1, 1);
      layers = new LayerPass[c.layers()];
      SharedSlots turns = new SharedSlots(overlay);
      for (int l = 0; l < layers.length; l++) {
        layers[l] = new LayerPass(spec, l, turns.restart());
      }
    }

    /** Reads ids[from …]; returns whichever of x and y holds the last layer's output. */
    Tensor run(int[] ids, int from, HeadTap tap) {
      Ops ops = spec.ops();
      at.moveTo(position);
      tokenIds.copyFrom(ids, from, spec.tokens());
      ops.embedding().forward(tokenIds, model.embedding(), x);
      Tensor in = x;
      Tensor out = y;
      for (int l = 0; l < layers.length; l++) {
        layers[l].forward(in, out, model.weights(l), at, caches[l], tap);
        Tensor t = in;
        in = out;
        out = t;
      }
      return in;
    }
  }

  /** Lets layers share slots of an overlay beyond those already taken. */
  private static final class SharedSlots implements Buffers {
    private final Overlay overlay;
    private final int base;

    SharedSlots(Overlay overlay) {
      this.overlay = overlay;
      base = overlay.mark();
    }

    SharedSlots restart() {
      overlay.restart(base);
      return this;
    }

    @Override
    public Tensor f32(long... shape) {
      return overlay.f32(shape);
    }
  }

  Session(HybridTransformer model, int capacity) {
    if (capacity < 1) {
      throw new IllegalArgumentException("a session needs room for at least 1 token");
    }
    this.model = model;
    this.capacity = capacity;
    memory = new Workspace(model.ops().memory());
    prefillMemory = new Buffers.Overlay(memory);
    ModelConfig c = model.config();
    caches = new LayerCache[c.layers()];
    for (int l = 0; l < caches.length; l++) {
      caches[l] = new LayerCache(c, model.plan(), model.style(), l, capacity, memory);
    }
    decodeChain = new Chain(1, new Buffers.Overlay(memory));
    lastHidden = memory.f32(1, c.hiddenSize());
    lastNormed = memory.f32(1, c.hiddenSize());
    logitsRow = memory.f32(1, c.vocabSize());
    logits = logitsRow.view(c.vocabSize());
  }

  /** Tokens read so far. */
  public int position() {
    return position;
  }

  /** Tokens there is room for. */
  public int capacity() {
    return capacity;
  }

  /** Bytes of caches and buffers. */
  public long bytes() {
    return memory.bytes();
  }

  /**
   * Reads {@code ids} and returns the logits [V] after the last, valid until the next call.
   *
   * @throws IllegalArgumentException if there are none, one is outside the vocabulary, or they do
   *     not fit
   */
  public Tensor prefill(int[] ids) {
    read(ids, null, HeadTap.NONE);
    return head();
  }

  /** Reads {@code ids} and shows the logits of every one of them, some rows at a time. */
  public void prefill(int[] ids, TrainingPass.LogitsSink sink) {
    read(ids, sink, HeadTap.NONE);
  }

  /** Like {@link #prefill(int[])}, with a tap on every layer; rows of a tensor are one piece's. */
  public Tensor prefill(int[] ids, HeadTap tap) {
    read(ids, null, tap);
    return head();
  }

  private void read(int[] ids, TrainingPass.LogitsSink sink, HeadTap tap) {
    if (ids.length == 0) {
      throw new IllegalArgumentException("the prompt is empty: give at least one token");
    }
    model.requireIds(ids, 0, ids.length);
    requireRoom(ids.length);
    int done = 0;
    while (done < ids.length) {
      int piece = Math.min(ids.length - done, PIECE - position % PIECE);
      Chain chain = chain(piece);
      Tensor out = chain.run(ids, done, tap);
      if (sink != null) {
        allLogits(out, done, piece, sink);
      }
      lastHidden.copyFrom(out == chain.x ? chain.lastOfX : chain.lastOfY);
      position += piece;
      done += piece;
    }
  }

  private void allLogits(Tensor hidden, int from, int rows, TrainingPass.LogitsSink sink) {
    ModelConfig c = model.config();
    try (Workspace w = new Workspace(memory.memory())) {
      Tensor normed = w.f32(rows, c.hiddenSize());
      model.ops().rmsNorm().forward(hidden, model.finalNorm(), c.rmsNormEps(), normed, null);
      int step = Math.clamp((1 << 22) / c.vocabSize(), 1, rows);
      Tensor out = w.f32(step, c.vocabSize());
      for (int r = 0; r < rows; r += step) {
        int n = Math.min(step, rows - r);
        model.ops().linear().forward(normed.rows(r, n), model.lmHead(), out.rows(0, n), false);
        sink.accept(from + r, out.rows(0, n));
      }
    }
  }

  private Chain chain(int tokens) {
    Chain c = prefillChains.get(tokens);
    if (c == null) {
      if (prefillChains.isEmpty() && tokens < Math.min(PIECE, capacity)) {
        prefillChains.put(
            Math.min(PIECE, capacity), new Chain(Math.min(PIECE, capacity), prefillMemory));
      }
      c = new Chain(tokens, prefillMemory);
      prefillChains.put(tokens, c);
    }
    // Chains share memory, so rotary tables of another chain may have been written over.
    c.at.forget();
    return c;
  }

  /** Reads one token and returns the logits [V] after it, valid until the next call. */
  public Tensor decode(int id) {
    one[0] = id;
    model.requireIds(one, 0, 1);
    requireRoom(1);
    Tensor out = decodeChain.run(one, 0, HeadTap.NONE);
    lastHidden.copyFrom(out);
    position++;
    return head();
  }

  private Tensor head() {
    model
        .ops()
        .rmsNorm()
        .forward(lastHidden, model.finalNorm(), model.config().rmsNormEps(), lastNormed, null);
    model.ops().linear().forward(lastNormed, model.lmHead(), logitsRow, false);
    return logits;
  }

  private void requireRoom(int tokens) {
    if (position + tokens > capacity) {
      throw new IllegalArgumentException(
          tokens + " more tokens after " + position + " do not fit the session's " + capacity);
    }
  }

  /** A place in the text to come back to. Holds copies of the recurrent states. */
  public static final class Mark {
    private final int position;
    private final List<float[]> recurrent = new ArrayList<>();

    private Mark(int position) {
      this.position = position;
    }

    /** Tokens read when the mark was set. */
    public int position() {
      return position;
    }
  }

  /** Remembers the present place. */
  public Mark mark() {
    Mark m = new Mark(position);
    for (LayerCache c : caches) {
      for (Tensor t : c.recurrent()) {
        m.recurrent.add(t.toFloats());
      }
    }
    return m;
  }

  /** Goes back to a mark of this session: what was read since is forgotten, exactly. */
  public void rewind(Mark m) {
    if (m.position > position) {
      throw new IllegalArgumentException(
          "the mark is at " + m.position + ", the session only at " + position);
    }
    int i = 0;
    for (LayerCache c : caches) {
      for (Tensor t : c.recurrent()) {
        t.copyFrom(m.recurrent.get(i++));
      }
    }
    position = m.position;
  }

  /**
   * Fills the caches with random values as if {@code tokens} had been read: for benchmarks of
   * decoding at a context that would take long to prefill.
   */
  public void pretend(int tokens) {
    reset();
    requireRoom(tokens);
    java.util.SplittableRandom random = new java.util.SplittableRandom(tokens);
    float[] noise = new float[4099];
    for (int i = 0; i < noise.length; i++) {
      noise[i] = (float) random.nextGaussian();
    }
    for (LayerCache c : caches) {
      c.fill(noise);
    }
    position = tokens;
  }

  /** Forgets everything that was read. */
  public void reset() {
    for (LayerCache c : caches) {
      c.clear();
    }
    position = 0;
  }

  @Override
  public void close() {
    memory.close();
  }
}
