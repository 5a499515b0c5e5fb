package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.Replay;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One step of several sequences at once: a token of each of up to N, and at the same time a piece
 * of one other's prompt. Norms, products and MLPs go over all rows together, heads over each
 * sequence's own past in a {@link CachePool}.
 *
 * <p>Rows 0 … p − 1 are the piece's, rows p … p + n − 1 one of each decoding sequence. On a device,
 * n is rounded up to one of few numbers, by rows of nobody, and a step without a piece is recorded
 * once and replayed. D width, V vocabulary. Used by one thread.
 */
public final class BatchStep implements AutoCloseable {
  /** Passes that are kept, each for a number of rows of either kind. */
  private static final int MOST_PASSES = 48;

  private static final int STATES_OF_NOBODY = 0;

  /** Most pauses of a step with a piece. */
  private static final int MOST_PAUSES = 16;

  /**
   * How large a step can be.
   *
   * @param sequences most that decode
   * @param context most tokens of a sequence
   * @param piece most tokens of a piece of a prompt
   */
  public record Limits(int sequences, int context, int piece) {
    public Limits {
      if (sequences < 1 || context < 1 || piece < 1) {
        throw new IllegalArgumentException("a step needs room for something");
      }
    }
  }

  private record Size(int piece, int decodes) {}

  private final HybridTransformer model;
  private final Limits limits;
  private final Workspace memory;
  private final Buffers.Overlay buffers;
  private final PooledLayer[] pooled;
  private final StepEvents events;
  private final LayerCache[] caches;
  private final Tensor frequencies;
  private final boolean host;

  /** Whether steps without a piece are recorded once and replayed. */
  private final boolean recorded;

  /** Ids, positions and places of all rows, then slots of those that decode. */
  private final Tensor control;

  private final int[] controlValues;

  /** [N, most] and, of the piece, [1, most]. */
  private final Tensor tables;

  private final Tensor pieceTable;

  /** What stands in the rows of {@link #tables}, and last in {@link #pieceTable}. */
  private final int[][] known;

  private final Map<Size, Pass> passes =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Size, Pass> eldest) {
          if (size() > MOST_PASSES) {
            eldest.getValue().replay.close();
            return true;
          }
          return false;
        }
      };

  private final StepTokens tokens;

  /** [1], for something to come to the host. */
  private final Tensor here = Tensor.allocate(Arena.ofAuto(), DType.I32, 1);

  /** Rows times halves of layers, of all steps. */
  private long halves;

  /** The whole model at fixed numbers of rows. */
  private final class Pass {
    final int piece;
    final int decodes;

    /** First row whose logits are wanted: the piece's last. */
    final int head;

    final PassSpec spec;
    final Position at;
    final Tensor ids;
    final BatchRows rows;
    final Tensor x;
    final LayerPass[] layers;

    /** The last layer's second half for the rows from {@link #head} on. */
    final LayerPass tail;

    final Tensor hidden;
    final Tensor normed;
    final Tensor logits;
    final Tensor best;
    final Replay replay;
    final int[] hostPositions;
    final int[] hostSlots;

    Pass(Size size) {
      ModelConfig c = model.config();
      piece = size.piece;
      decodes = size.decodes;
      int n = piece + decodes;
      head = Math.max(0, piece - 1);
      spec = PassSpec.cached(model, n, limits.context);
      buffers.restart();
      ids = control.rows(0, n);
      hostPositions = new int[decodes];
      hostSlots = new int[decodes];
      rows =
          new BatchRows(
              piece,
              decodes,
              0,
              0,
              pieceTable,
              control.rows(2L * n, n),
              control.rows(n + (long) piece, decodes),
              control.rows(3L * n, decodes),
              tables.rows(0, decodes),
              hostPositions,
              hostSlots);
      at = new Position(spec, buffers, frequencies, control.rows(n, n));
      x = buffers.elements(n, c.hiddenSize());
      layers = LayerPass.turns(spec, buffers);
      int heads = n - head;
      int l = layers.length - 1;
      PassSpec few = PassSpec.cached(model, heads, limits.context);
      tail = heads == n ? layers[l] : new LayerPass(few, l, buffers, buffers);
      hidden = buffers.elements(heads, c.hiddenSize());
      normed = buffers.elements(heads, c.hiddenSize());
      logits = buffers.f32(heads, c.vocabSize());
      best = buffers.allocate(DType.I32, heads);
      replay = new Replay(model.ops().graphs().overlapping(), this::work);
    }

    /** All layers but the last one's second half, with the places of a piece. */
    void read(BatchRows now, Runnable pause) {
      for (PooledLayer layer : pooled) {
        layer.rows(now);
      }
      at.update();
      spec.ops().embedding().forward(ids, model.embedding(), x);
      int l = 0;
      for (; l < layers.length - 1; l++) {
        layers[l].mix(x, before(l), model.weights(l), at, caches[l], HeadTap.NONE);
        halfDone(2 * l + 1, pause);
        layers[l].finish(x, layers[l].mixerOutput, model.weights(l));
        halfDone(2 * l + 2, pause);
      }
      layers[l].mix(x, before(l), model.weights(l), at, caches[l], HeadTap.NONE);
      halfDone(2 * l + 1, pause);
    }

    private void halfDone(int half, Runnable pause) {
      halves += ids.size();
      if (pause == null || half % Math.ceilDiv(2 * layers.length, MOST_PAUSES) != 0) {
        return;
      }
      if (!host) {
        here.copyFrom(control.rows(0, 1)); // waits for all that is enqueued
      }
      pause.run();
    }

    private LayerPass before(int l) {
      return l == 0 ? null : layers[l - 1];
    }

    /** Logits of the rows from {@link #head} on. */
    void head() {
      halves += ids.size();
      int l = layers.length - 1;
      int n = piece + decodes - head;
      Tensor mixed = layers[l].mixerOutput.rows(head, n);
      tail.finish(x.rows(head, n), mixed, model.weights(l));
      tail.next(hidden, model.finalNorm(), normed, null);
      model.ops().linear().forward(normed, model.lmHead(), logits, false);
      if (!host) {
        model.ops().loss().best(logits, best);
      }
    }

    /** A step without a piece: nothing of it depends on what the host knows. */
    private void work() {
      read(rows, null);
      head();
    }
  }

  /** Takes the memory for the largest step; sequences must belong to {@code pool}. */
  public BatchStep(CachePool pool, Limits limits) {
    this.model = pool.model();
    events = new StepEvents(pool);
    this.limits = limits;
    Ops ops = model.ops();
    host = ops.memory().host();
    memory = new Workspace(ops.memory());
    buffers = new Buffers.Overlay(memory, ops.activations());
    int decodes = rounded(limits.sequences);
    int most = SequenceCache.blocksOf(limits.context);
    tables = memory.allocate(DType.I32, decodes, most);
    pieceTable = memory.allocate(DType.I32, 1, most);
    tables.fill(0f);
    pieceTable.fill(0f);
    known = new int[decodes + 1][0];
    pooled = pool.layers(pieceTable);
    // Where a text stands in its window is known to the host only.
    boolean windows = model.style().windowed() && CachePool.recurrent(model);
    recorded = !host && !ops.deterministic() && !windows;
    caches = Arrays.stream(pooled).map(LayerCache::new).toArray(LayerCache[]::new);
    frequencies = Position.frequencies(model.config(), memory);
    controlValues = new int[3 * (limits.piece + decodes) + decodes];
    control = memory.allocate(DType.I32, controlValues.length);
    tokens = new StepTokens(model, memory, decodes + 1);
    pass(new Size(limits.piece, decodes));
  }

  /** Few different numbers of rows on a device, which records a step for each. */
  private int rounded(int decodes) {
    if (host || decodes < 2) {
      return decodes;
    }
    int step = Math.max(2, Integer.highestOneBit(decodes) / 2);
    return Math.ceilDiv(decodes, step) * step;
  }

  private Pass pass(Size size) {
    Pass p = passes.get(size);
    if (p == null) {
      p = new Pass(size);
      passes.put(size, p);
    }
    return p;
  }

  /** Tokens that all steps have computed, those under way in part: halves of layers count. */
  public double tokens() {
    return halves / (2.0 * model.config().layers());
  }

  /** Bytes of buffers. */
  public long bytes() {
    return memory.bytes();
  }

  /** What a step can hold. */
  public Limits limits() {
    return limits;
  }

  /**
   * One step. Every sequence must have {@linkplain SequenceCache#reserve blocks} for what it reads;
   * all positions move on.
   *
   * @param reading whose prompt's {@code piece} is read; null for none
   * @param piece ids, none without {@code reading}
   * @param decoding sequences that read one token each, none of them {@code reading}
   * @param next the token of each
   * @param sink sees the logits of all of the piece's tokens; or null
   * @param pause is run up to 16 times between the halves of layers of a step with a piece, when
   *     all before it is computed; may run other steps over the same pool, for other sequences; or
   *     null
   * @throws io.hydrahead.tensor.InputException if an id is outside the vocabulary
   */
  public void run(
      SequenceCache reading,
      int[] piece,
      List<SequenceCache> decoding,
      int[] next,
      LogitsSink sink,
      Runnable pause) {
    requireRoom(reading, piece, decoding, next);
    model.requireIds(piece, 0, piece.length);
    model.requireIds(next, 0, next.length);
    events.begin(reading, piece.length, decoding);
    Pass p = pass(new Size(piece.length, rounded(decoding.size())));
    tokens.begin(p.logits, p.best, p.piece > 0, p.decodes);
    sendControl(p, reading, piece, decoding, next);
    for (int i = 0; i < decoding.size(); i++) {
      sendTable(tables, i, i, decoding.get(i));
    }
    if (reading == null) {
      if (!recorded) {
        p.work();
      } else {
        long before = halves;
        p.replay.run();
        halves = before + 2L * p.layers.length * p.ids.size(); // a replay counts nothing itself
      }
    } else {
      sendTable(pieceTable, 0, known.length - 1, reading);
      p.read(withPiece(p.rows, reading), pause);
      p.head();
      if (sink != null) {
        allLogits(p, sink);
      }
      reading.advance(piece.length);
    }
    decoding.forEach(s -> s.advance(1));
    if (host) {
      events.end();
    }
  }

  private void requireRoom(
      SequenceCache reading, int[] piece, List<SequenceCache> decoding, int[] next) {
    int n = decoding.size();
    boolean fits = n <= limits.sequences && n == next.length && piece.length <= limits.piece;
    fits &= reading == null == (piece.length == 0) && n + piece.length > 0;
    if (!fits || decoding.contains(reading)) {
      throw new IllegalArgumentException(
          n + " sequences and a piece of " + piece.length + " tokens are no step of " + limits);
    }
    for (SequenceCache s : decoding) {
      requireBlocks(s, 1);
    }
    if (reading != null) {
      requireBlocks(reading, piece.length);
    }
  }

  private void requireBlocks(SequenceCache s, int tokens) {
    int end = s.position() + tokens;
    if (end > limits.context || SequenceCache.blocksOf(end) > s.blocks()) {
      throw new IllegalArgumentException(
          s.blocks() + " blocks of a context of " + limits.context + " do not hold " + end);
    }
  }

  private static BatchRows withPiece(BatchRows r, SequenceCache reading) {
    return new BatchRows(
        r.piece(),
        r.decodes(),
        reading.position(),
        reading.slot(),
        r.pieceTable(),
        r.places(),
        r.positions(),
        r.slots(),
        r.tables(),
        r.hostPositions(),
        r.hostSlots());
  }

  private void sendControl(
      Pass p, SequenceCache reading, int[] piece, List<SequenceCache> decoding, int[] next) {
    int n = p.piece + p.decodes;
    int[] v = controlValues;
    for (int r = 0; r < p.piece; r++) {
      int at = reading.position() + r;
      v[r] = piece[r];
      v[n + r] = at;
      v[2 * n + r] = reading.place(at);
    }
    for (int i = 0; i < p.decodes; i++) {
      SequenceCache s = i < decoding.size() ? decoding.get(i) : null;
      int r = p.piece + i;
      v[r] = s == null ? 0 : next[i];
      v[n + r] = s == null ? 0 : s.position();
      v[2 * n + r] = s == null ? 0 : s.place(s.position());
      v[3 * n + i] = s == null ? STATES_OF_NOBODY : s.slot();
      p.hostPositions[i] = v[n + r];
      p.hostSlots[i] = v[3 * n + i];
    }
    control.copyFrom(v, 0, 3 * n + p.decodes);
  }

  /** Sends what of a sequence's table differs from what stands in row {@code row}. */
  private void sendTable(Tensor table, int row, int index, SequenceCache s) {
    int[] there = known[index];
    int count = s.blocks();
    int from = Arrays.mismatch(there, 0, there.length, s.table(), 0, count);
    if (from < 0 || from >= count) {
      return;
    }
    table
        .rows(row, 1)
        .view(table.dim(1))
        .rows(from, count - from)
        .copyFrom(s.table(), from, count - from);
    known[index] = Arrays.copyOf(s.table(), count);
  }

  private void allLogits(Pass p, LogitsSink sink) {
    ModelConfig c = model.config();
    int l = p.layers.length - 1;
    LayerPass pass = p.layers[l];
    // The head has already summed up its own rows; sums are assigned, so that again is no harm.
    pass.finish(p.x, pass.mixerOutput, model.weights(l));
    try (Workspace w = new Workspace(memory.memory())) {
      int n = p.piece + p.decodes;
      DType type = model.ops().activations();
      Tensor y = w.allocate(type, n, c.hiddenSize());
      Tensor normed = w.allocate(type, n, c.hiddenSize());
      pass.next(y, model.finalNorm(), normed, null);
      RowsOfLogits.of(
          model, normed.rows(0, p.piece), 0, w, (from, some) -> sink.accept(from, some.onHost()));
    }
  }

  /**
   * Logits [V] in the host's memory, valid until the next call or step.
   *
   * @param sequence place in the last step's list of decoding sequences, or −1 for its piece's last
   *     token
   */
  public Tensor logits(int sequence) {
    Tensor row = tokens.logits(sequence);
    events.end();
    return row;
  }

  /** The most likely next id, of equals the smallest; see {@link #logits}. */
  public int best(int sequence) {
    int id = tokens.best(sequence);
    events.end();
    return id;
  }

  /**
   * Samples the next tokens after the last step. On a device only the likeliest tokens' logits come
   * to the host, and all of them only where those do not decide.
   *
   * @param sequences as for {@link #logits}
   * @param samplers one for each
   */
  public int[] sample(int[] sequences, List<Sampler> samplers) {
    int[] ids = tokens.sample(sequences, samplers);
    events.end();
    return ids;
  }

  @Override
  public void close() {
    events.end();
    passes.values().forEach(p -> p.replay.close());
    memory.close();
    tokens.close();
  }
}
