package io.hydrahead.ops.attention;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import io.hydrahead.ops.Floats;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.ops.lanes.Lanes;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.NativeMemory;
import io.hydrahead.tensor.Tensor;

/** Sizes, addresses and strides (in bytes) of the call in progress. */
final class AttentionCall {
  int batch;
  int queries;
  int heads;
  int kvHeads;
  int d;

  /** Absolute position of query row 0, where all sequences stand at the same. */
  private int offset;

  /** Address of the positions of query row 0 of each sequence, or 0. */
  private long offsets;

  /** Address of the block table of keys and values in pages, or 0. */
  private long table;

  private long tableRow;
  private long pageBytes;

  int[] kvOf;
  float scale;

  /** The scale of scores whose softmax is taken in base 2. */
  float scale2;

  /** Whether a window hides anything. */
  boolean windowed;

  /** Positions that a query sees, and first positions that all see. */
  private int window;

  private int sinks;
  private long q;
  private long k;
  private long v;
  private long o;
  private long lse;
  private long kvBatch;
  private long kvHead;

  /** From one position to the next in keys and values. */
  long kvToken;

  /** From one row to the next in q and o. */
  long row;

  void set(
      Shape s,
      int[] kvHeadOf,
      int start,
      Tensor query,
      Tensor key,
      Tensor value,
      Tensor out,
      Tensor logSumExp) {
    AttentionShape.check(s, kvHeadOf, start, query, key, value, out, logSumExp);
    batch = s.batch();
    queries = s.queries();
    heads = s.heads();
    kvHeads = s.kvHeads();
    d = s.headDim();
    offset = start;
    kvOf = kvHeadOf;
    scale = s.scale();
    scale2 = (float) (s.scale() * Lanes.LOG2_E);
    windowed = s.windowed(start);
    window = s.window().size();
    sinks = s.window().sinks();
    q = address(query);
    k = address(key);
    v = address(value);
    o = address(out);
    lse = logSumExp == null ? 0 : address(logSumExp);
    kvBatch = 4 * AttentionShape.batchStride(key, s);
    kvHead = 4 * AttentionShape.headStride(key, s);
    kvToken = 4 * AttentionShape.tokenStride(key);
    row = 4L * heads * d;
    offsets = 0;
    table = 0;
  }

  /**
   * Of sequences whose keys and values lie in pages.
   *
   * @param start of query row 0, unless there are {@code positions}
   * @param positions of query row 0 of each sequence, or null
   */
  void setPaged(
      Shape s,
      int[] kvHeadOf,
      KvPages pages,
      int start,
      Tensor positions,
      Tensor query,
      Tensor out) {
    long keys = start + s.queries();
    for (int b = 0; positions != null && b < s.batch(); b++) {
      keys = Math.max(keys, positions.getInt(b) + 1L);
    }
    PagedAttention.check(s, pages, keys);
    AttentionShape.checkQueries(DType.F32, s, kvHeadOf, query, out);
    batch = s.batch();
    queries = s.queries();
    heads = s.heads();
    kvHeads = s.kvHeads();
    d = s.headDim();
    offset = start;
    offsets = positions == null ? 0 : positions.hostAddress();
    kvOf = kvHeadOf;
    scale = s.scale();
    scale2 = (float) (s.scale() * Lanes.LOG2_E);
    windowed = false;
    q = address(query);
    k = NativeMemory.address(pages.keys().segment(), pages.keys().segment().byteSize());
    v = NativeMemory.address(pages.values().segment(), pages.values().segment().byteSize());
    o = address(out);
    lse = 0;
    kvBatch = 0;
    kvToken = 4L * d;
    kvHead = KvPages.TOKENS * kvToken;
    row = 4L * heads * d;
    table = pages.table().hostAddress();
    tableRow = 4 * pages.table().dim(1);
    pageBytes = 4 * pages.keys().rowStride();
  }

  /** Absolute position of query row 0 of sequence b. */
  int offset(int b) {
    return offsets == 0 ? offset : ALL.get(JAVA_INT_UNALIGNED, offsets + 4L * b);
  }

  /** The largest {@link #offset(int)}. */
  int largestOffset() {
    int most = offset(0);
    for (int b = 1; b < batch; b++) {
      most = Math.max(most, offset(b));
    }
    return most;
  }

  static long address(Tensor t) {
    return Floats.address(t);
  }

  /**
   * First key of the block after that of {@code key}, or, where the window hides blocks from all
   * queries from {@code position} on, of the first that it does not hide.
   *
   * @param keys a block, on the grid of 0
   */
  int nextBlock(int key, int keys, int position) {
    int next = key + keys;
    if (windowed && next >= sinks) {
      next = Math.max(next, (position - window + 1) / keys * keys);
    }
    return next;
  }

  /** First block of keys of the queries from {@code position} on. */
  int firstBlock(int keys, int position) {
    return nextBlock(-keys, keys, position);
  }

  /** Of the keys from {@code key} on, how many are sinks. */
  int sinksFrom(int key) {
    return Math.max(0, sinks - key);
  }

  /**
   * Lane from which on rows do not see the block's key 0 any more, unless it is a sink; of key j it
   * is j further.
   *
   * @param shift lane from which on rows see it
   * @param lanes rows, the result where the window hides nothing
   */
  int goneFrom(int shift, int lanes) {
    return windowed ? shift + window : lanes;
  }

  /** Byte offset of row t of head h of sequence b in q, o and their gradients. */
  long queryAt(int b, int h, int t) {
    return ((long) b * queries + t) * row + 4L * h * d;
  }

  /** Byte offset of position 0 of KV head g of sequence b in keys, values and their gradients. */
  long kvAt(int b, int g) {
    return b * kvBatch + g * kvHead;
  }

  long query(int b, int h, int t) {
    return q + queryAt(b, h, t);
  }

  long out(int b, int h, int t) {
    return o + queryAt(b, h, t);
  }

  long keys(int b, int g) {
    return k + kvAt(b, g);
  }

  long values(int b, int g) {
    return v + kvAt(b, g);
  }

  /** Address of key {@code j}, the first of a block of keys, of KV head g of sequence b. */
  long keys(int b, int g, int j) {
    return table == 0 ? keys(b, g) + j * kvToken : k + paged(b, g, j);
  }

  /** Address of value {@code j}, the first of a block of keys, of KV head g of sequence b. */
  long values(int b, int g, int j) {
    return table == 0 ? values(b, g) + j * kvToken : v + paged(b, g, j);
  }

  private long paged(int b, int g, int j) {
    int page = ALL.get(JAVA_INT_UNALIGNED, table + b * tableRow + 4L * (j / KvPages.TOKENS));
    return page * pageBytes + g * kvHead + j % KvPages.TOKENS * kvToken;
  }

  /** Address of the log-sum-exp of row t of head h of sequence b, 0 if none is asked for. */
  long lse(int b, int h, int t) {
    return lse == 0 ? 0 : lse + 4 * (((long) b * heads + h) * queries + t);
  }
}
