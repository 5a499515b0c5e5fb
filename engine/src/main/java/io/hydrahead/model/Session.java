package io.hydrahead.model;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * One sequence being read and continued: prefill in pieces, then decode token by token. Holds the
 * caches: keys and values of kept KV heads only, float32 recurrent state for the linear heads (or
 * what a window sees).
 *
 * <p>Pieces end at multiples of {@link #piece} in the text, so every chunk lies on the absolute
 * grid. {@link #decode} allocates nothing.
 */
public final class Session implements AutoCloseable {
  /** Most tokens a piece, multiples of the delta rule's chunk: for caches of a core, and more. */
  private static final int HOST_PIECE = 512;

  private static final int DEVICE_PIECE = 8192;

  private final HybridTransformer model;
  private final int capacity;
  private final Workspace memory;
  private final LayerCache[] caches;
  private final Buffers.Overlay prefillMemory;
  private final Map<Integer, Chain> prefillChains = new HashMap<>();
  private final Branches branches;
  private final Chain decodeChain;

  /** Decodes in place of {@link #decodeChain}, which then ends prefills only; or null. */
  private final FusedDecode fused;

  private final int[] one = new int[1];
  private final Tensor lastHidden;
  private final Tensor lastNormed;

  /** The row in the host's memory, and the same as [V]. */
  private final Tensor logits;

  private final Tensor vocabularyLogits;
  private final Tensor logitsRow;
  private final Sampler greedy = new Sampler(Sampler.Settings.GREEDY);
  private final long cacheBytes;
  private int position;

  /** The whole model at a fixed number of tokens. */
  private final class Chain {
    final Position at;
    final Tensor x;
    final Tensor lastX;
    final Tensor lastMixed;
    final LayerPass[] layers;
    final PassSpec spec;
    final Tensor tokenIds;

    Chain(int tokens, Buffers.Overlay overlay) {
      ModelConfig c = model.config();
      spec = PassSpec.cached(model, tokens, capacity);
      overlay.restart();
      tokenIds = overlay.allocate(DType.I32, tokens);
      at = new Position(spec, overlay, memory);
      x = overlay.elements(tokens, c.hiddenSize());
      layers = LayerPass.turns(spec, overlay);
      lastX = x.rows(tokens - 1, 1);
      lastMixed = layers[layers.length - 1].mixerOutput.rows(tokens - 1, 1);
    }

    /**
     * Reads ids[from …].
     *
     * @param whole whether all rows of the last layer's second half will be asked for; it is left
     *     out otherwise, since only the last row of the last piece is
     */
    void run(int[] ids, int from, HeadTap tap, boolean whole) {
      at.moveTo(position);
      tokenIds.copyFrom(ids, from, spec.tokens());
      spec.ops().embedding().forward(tokenIds, model.embedding(), x);
      for (int l = 0; l < layers.length; l++) {
        LayerPass before = l == 0 ? null : layers[l - 1];
        if (whole || l + 1 < layers.length) {
          layers[l].forward(x, before, model.weights(l), at, caches[l], tap);
        } else {
          layers[l].mix(x, before, model.weights(l), at, caches[l], tap);
        }
      }
      position += spec.tokens();
    }
  }

  /** The last layer's second half, final norm and logits of the last row that {@code c} read. */
  private Tensor head(Chain c) {
    int l = caches.length - 1;
    LayerPass last = decodeChain.layers[l];
    last.finish(c.lastX, c.lastMixed, model.weights(l));
    last.next(lastHidden, model.finalNorm(), lastNormed, null);
    model.ops().linear().forward(lastNormed, model.lmHead(), logitsRow, false);
    if (logits != logitsRow) {
      logits.copyFrom(logitsRow);
    }
    return vocabularyLogits;
  }

  Session(HybridTransformer model, int capacity) {
    if (capacity < 1) {
      throw new IllegalArgumentException("a session needs room for at least 1 token");
    }
    requireMemory(model, capacity);
    this.model = model;
    this.capacity = capacity;
    memory = new Workspace(model.ops().memory());
    DType type = model.ops().activations();
    prefillMemory = new Buffers.Overlay(memory, type);
    branches = new Branches(model, memory, prefillMemory);
    ModelConfig c = model.config();
    caches = new LayerCache[c.layers()];
    for (int l = 0; l < caches.length; l++) {
      caches[l] = new LayerCache(model, l, capacity, memory);
    }
    cacheBytes = kvBytes() + stateBytes();
    fused = FusedDecode.supports(model) ? FusedDecode.open(model, caches, capacity, memory) : null;
    decodeChain = new Chain(1, new Buffers.Overlay(memory, type));
    lastHidden = memory.allocate(type, 1, c.hiddenSize());
    lastNormed = memory.allocate(type, 1, c.hiddenSize());
    logitsRow = memory.f32(1, c.vocabSize());
    logits = memory.memory().host() ? logitsRow : Tensor.allocate(Arena.ofAuto(), 1, c.vocabSize());
    vocabularyLogits = logits.view(c.vocabSize());
  }

  private static void requireMemory(HybridTransformer model, int capacity) {
    long free = model.ops().memory().freeBytes();
    if (free == Long.MAX_VALUE) {
      return;
    }
    long needed = Footprint.ofSession(model, capacity);
    if (needed > free) {
      int most = Footprint.largestContext(model, free);
      throw new InputException(
          String.format(
              Locale.ROOT,
              "a context of %,d tokens takes %.2f GB, %s has %.2f GB free: %s",
              capacity,
              needed / 1e9,
              model.ops().memory(),
              free / 1e9,
              most == 0
                  ? "not even one token fits"
                  : String.format(Locale.ROOT, "the largest context that fits is %,d", most)));
    }
  }

  /** Takes now all memory that reading a long prompt will need. */
  void reserve() {
    chain(Math.min(piece(), capacity));
  }

  /** Tokens read so far. */
  public int position() {
    return position;
  }

  /** Tokens there is room for. */
  public int capacity() {
    return capacity;
  }

  /** Bytes of the keys and values of all positions that there is room for, or a window keeps. */
  public long kvBytes() {
    long bytes = 0;
    for (LayerCache c : caches) {
      bytes += c.keys == null ? 0 : c.keys.bytes() + c.values.bytes();
      bytes += c.window == null ? 0 : c.window.keys.bytes() + c.window.values.bytes();
    }
    return bytes;
  }

  /** Bytes of the recurrent states and of the short convolutions' last inputs. */
  public long stateBytes() {
    long bytes = 0;
    for (LayerCache c : caches) {
      for (Tensor t : c.recurrent()) {
        bytes += t.bytes();
      }
    }
    return bytes;
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
    return prefill(ids, HeadTap.NONE);
  }

  /**
   * Reads {@code ids} for what comes after them: nothing is computed of what would be next, and
   * nobody waits for a device.
   *
   * @throws IllegalArgumentException like {@link #prefill(int[])}
   */
  public void read(int[] ids) {
    read(ids, null, HeadTap.NONE);
  }

  /**
   * Reads {@code ids} and shows the logits of every one of them, some rows at a time; rows count
   * from the first of {@code ids}.
   *
   * @throws IllegalArgumentException as for {@link #prefill(int[])}
   */
  public void prefill(int[] ids, LogitsSink sink) {
    readAloud(ids, (from, logits) -> sink.accept(from, logits.onHost()));
  }

  /** Like {@link #prefill(int[])}, with a tap on every layer; rows of a tensor are one piece's. */
  public Tensor prefill(int[] ids, HeadTap tap) {
    PrefillEvent event = new PrefillEvent();
    event.begin();
    int from = position;
    Tensor after = head(read(ids, null, tap));
    event.done(model, ids.length, from, 0, cacheBytes);
    return after;
  }

  private void readAloud(int[] ids, RowsOfLogits sink) {
    PrefillEvent event = new PrefillEvent();
    event.begin();
    int from = position;
    read(ids, sink, HeadTap.NONE);
    event.done(model, ids.length, from, 0, cacheBytes);
  }

  /**
   * Reads {@code ids} and returns the cross-entropies Σ −log p(ids[i + 1] | what is before), in
   * nats, by stretches of places: element j is the sum over i = ends[j − 1] … ends[j] − 1, the
   * first from 0 on. Logits stay where they are made.
   *
   * @param ends ascending, the last at most {@code ids.length − 1}
   * @throws IllegalArgumentException if {@code ends} are none such, else as for {@link
   *     #prefill(int[])}
   */
  public double[] crossEntropy(int[] ids, int[] ends) {
    try (Workspace w = new Workspace(memory.memory())) {
      StretchLoss loss = new StretchLoss(model.ops().loss(), w, ids, ends);
      readAloud(ids, loss);
      return loss.sums();
    }
  }

  /**
   * Reads each of {@code texts} on from the present place on its own, side by side, and returns the
   * logits after its tokens from {@code from[b]} on. The session stays where it is.
   *
   * @return [Σ_b (texts[b].length − from[b]), V] in the host's memory, text after text; valid until
   *     the next call
   * @throws IllegalArgumentException if a text is empty or the longest, rounded up to a multiple of
   *     {@value Branches#STEP} tokens, does not fit
   */
  public Tensor branch(int[][] texts, int[] from) {
    requireRoom(Branches.tokens(texts));
    return branches.logits(caches, position, texts, from);
  }

  /** Reads {@code ids} in pieces and returns the chain of the last. */
  private Chain read(int[] ids, RowsOfLogits sink, HeadTap tap) {
    if (ids.length == 0) {
      throw new IllegalArgumentException("the prompt is empty: give at least one token");
    }
    model.requireIds(ids, 0, ids.length);
    requireRoom(ids.length);
    Chain chain = null;
    int done = 0;
    while (done < ids.length) {
      int piece = Math.min(ids.length - done, piece() - position % piece());
      chain = chain(piece);
      chain.run(ids, done, tap, sink != null);
      if (sink != null) {
        allLogits(chain, done, sink);
      }
      done += piece;
    }
    return chain;
  }

  /** Most tokens of a piece. */
  private int piece() {
    return model.ops().memory().host() ? HOST_PIECE : DEVICE_PIECE;
  }

  private void allLogits(Chain chain, int from, RowsOfLogits sink) {
    DType type = model.ops().activations();
    try (Workspace w = new Workspace(memory.memory())) {
      Tensor normed = w.allocate(type, chain.spec.tokens(), model.config().hiddenSize());
      chain.layers[chain.layers.length - 1].next(chain.x, model.finalNorm(), normed, null);
      RowsOfLogits.of(model, normed, from, w, sink);
    }
  }

  private Chain chain(int tokens) {
    Chain c = prefillChains.get(tokens);
    if (c == null) {
      int most = Math.min(piece(), capacity);
      if (prefillChains.isEmpty() && tokens < most) {
        prefillChains.put(most, new Chain(most, prefillMemory));
      }
      c = new Chain(tokens, prefillMemory);
      prefillChains.put(tokens, c);
    }
    // Chains share memory, so rotary tables of another chain may have been written over.
    c.at.forget();
    return c;
  }

  /**
   * Reads one token and returns the logits [V] after it, in the host's memory, valid until the next
   * call.
   *
   * @throws IllegalArgumentException if it is outside the vocabulary, or the session is full
   */
  public Tensor decode(int id) {
    DecodeEvent event = new DecodeEvent();
    event.begin();
    Tensor after = decoded(id);
    event.done(model, 1, position, 0, cacheBytes);
    return after;
  }

  private Tensor decoded(int id) {
    one[0] = id;
    model.requireIds(one, 0, 1);
    requireRoom(1);
    if (fused != null) {
      logits.copyFrom(fused.logits(id, position++));
      return vocabularyLogits;
    }
    decodeChain.run(one, 0, HeadTap.NONE, false);
    return head(decodeChain);
  }

  /**
   * Reads one token and returns the most likely next one; of equals the smallest.
   *
   * @throws IllegalArgumentException as for {@link #decode}
   */
  public int decodeGreedy(int id) {
    if (fused == null) {
      return greedy.next(decode(id));
    }
    DecodeEvent event = new DecodeEvent();
    event.begin();
    one[0] = id;
    model.requireIds(one, 0, 1);
    requireRoom(1);
    int next = fused.greedy(id, position++);
    event.done(model, 1, position, 0, cacheBytes);
    return next;
  }

  private void requireRoom(int tokens) {
    if (position + tokens > capacity) {
      throw new IllegalArgumentException(
          tokens + " more tokens after " + position + " do not fit the session's " + capacity);
    }
  }

  /** A place in the text to come back to. Holds copies of what reading on writes over. */
  public static final class Mark {
    private final int position;

    /** On the host. */
    private final List<Tensor> copies = new ArrayList<>();

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
      for (Tensor t : c.overwritten()) {
        Tensor copy = Tensor.allocate(Arena.ofAuto(), t.dtype(), t.shape());
        copy.copyFrom(t);
        m.copies.add(copy);
      }
    }
    return m;
  }

  /**
   * Goes back to a mark of this session: what was read since is forgotten, exactly.
   *
   * @throws IllegalArgumentException if the session is not yet as far as the mark
   */
  public void rewind(Mark m) {
    if (m.position > position) {
      throw new IllegalArgumentException(
          "the mark is at " + m.position + ", the session only at " + position);
    }
    int i = 0;
    for (LayerCache c : caches) {
      for (Tensor t : c.overwritten()) {
        t.copyFrom(m.copies.get(i++));
      }
    }
    position = m.position;
  }

  /**
   * Fills the caches with random values as if {@code tokens} had been read: for benchmarks of
   * decoding at a context that would take long to prefill.
   *
   * @throws IllegalArgumentException if they do not fit
   */
  public void pretend(int tokens) {
    reset();
    requireRoom(tokens);
    Tensor noise = Noise.of(model.ops().activations());
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
    if (fused != null) {
      fused.close();
    }
    memory.close();
  }
}
