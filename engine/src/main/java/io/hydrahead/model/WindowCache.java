package io.hydrahead.model;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Memory;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;

/**
 * Keys and values of the windowed heads of one layer, [min(capacity, S + W), h·d]: the first S
 * positions stay in their places, all others take turns in a ring of W. Softmax does not ask for
 * the order of its keys, so a single token reads the ring as it lies.
 */
final class WindowCache {
  /**
   * Positions that are left out before a piece are whole multiples of this, so that keys keep their
   * places on the grid of the kernels' blocks and sums their order.
   */
  private static final int GRID = 64;

  final Tensor keys;
  final Tensor values;
  private final int window;
  private final int sinks;

  WindowCache(Style style, int capacity, long width, DType type, Workspace memory) {
    window = style.window();
    sinks = style.sinks();
    long entries = entries(style, capacity);
    keys = memory.allocate(type, entries, width);
    values = memory.allocate(type, entries, width);
  }

  /**
   * In memory that is there.
   *
   * @param keys [min(capacity, S + W), h·d]
   */
  WindowCache(Style style, Tensor keys, Tensor values) {
    window = style.window();
    sinks = style.sinks();
    this.keys = keys;
    this.values = values;
  }

  /** Positions that are kept of a text of {@code tokens}. */
  static long entries(Style style, long tokens) {
    return Math.min(tokens, (long) style.window() + style.sinks());
  }

  /** The most that {@link #before} returns. */
  static long mostBefore(Style style, int capacity) {
    return Math.min(capacity, (long) style.window() + onGrid(style.sinks() + GRID - 1) + GRID);
  }

  private static int onGrid(int position) {
    return position / GRID * GRID;
  }

  /** Entries that hold something when {@code tokens} have been read. */
  int filled(int tokens) {
    return (int) Math.min(tokens, keys.dim(0));
  }

  /** Stores what the window leaves of keys and values [T, h·d] of positions start …. */
  void append(Tensor k, Tensor v, int start, int tokens) {
    int end = start + tokens;
    int first = Math.min(Math.max(start, sinks), end);
    copyBoth(k, v, 0, keys, values, start, first - start);
    for (int p = Math.max(first, end - window), n; p < end; p += n) {
      int slot = slot(p);
      n = Math.min(end - p, sinks + window - slot);
      copyBoth(k, v, p - start, keys, values, slot, n);
    }
  }

  private int slot(int position) {
    return position < sinks ? position : sinks + (position - sinks) % window;
  }

  /**
   * Lays what queries from {@code start} on see of the past in the order of the text into the first
   * rows of {@code k} and {@code v}, zeros between sinks and window, and returns how many rows that
   * are: there the piece itself belongs. A query and a key are then as far apart as in the text,
   * unless the key is a sink.
   */
  int before(int start, Tensor k, Tensor v) {
    int oldest = Math.max(0, start - window + 1);
    int leftOut = Math.max(0, onGrid(oldest) - onGrid(sinks + GRID - 1));
    int kept = Math.min(start, sinks);
    copyBoth(keys, values, 0, k, v, 0, kept);
    int from = Math.max(kept, oldest);
    clear(k, kept, from - leftOut);
    clear(v, kept, from - leftOut);
    for (int p = from, n; p < start; p += n) {
      int slot = slot(p);
      n = Math.min(start - p, sinks + window - slot);
      copyBoth(keys, values, slot, k, v, p - leftOut, n);
    }
    return start - leftOut;
  }

  private static void clear(Tensor t, int from, int to) {
    if (to > from) {
      t.rows(from, to - from).fill(0f);
    }
  }

  private static void copyBoth(
      Tensor k, Tensor v, int from, Tensor toK, Tensor toV, int to, int rows) {
    copy(k, from, toK, to, rows);
    copy(v, from, toV, to, rows);
  }

  /** Copies rows of as many columns, without allocating. */
  static void copy(Tensor from, int fromRow, Tensor to, int toRow, int rows) {
    if (rows <= 0) {
      return;
    }
    Memory memory = to.memory();
    long element = to.dtype().bytes();
    long fromPitch = from.rowStride() * element;
    long toPitch = to.rowStride() * element;
    memory.copyRows(
        from.segment(),
        fromRow * fromPitch,
        fromPitch,
        to.segment(),
        toRow * toPitch,
        toPitch,
        to.dim(1) * element,
        rows);
  }

  /** Repeats {@code noise}, host memory of activations, over keys and values. */
  void fill(Tensor noise) {
    keys.repeat(noise);
    values.repeat(noise);
  }
}
