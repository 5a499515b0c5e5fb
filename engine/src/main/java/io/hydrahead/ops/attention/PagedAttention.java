package io.hydrahead.ops.attention;

import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.tensor.Memory;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;

/** Attention over the blocks of a pool with the means of the contiguous one: by copying. */
final class PagedAttention {
  private PagedAttention() {}

  /** Argument checks that all backends share: of pages, shape and row b of the table. */
  static void check(Shape s, KvPages pages, long keys) {
    boolean fits = pages.kvHeads() == s.kvHeads() && pages.headDim() == s.headDim();
    if (!fits || keys > pages.capacity() || !s.window().equals(CausalAttention.Window.ALL)) {
      throw new IllegalArgumentException(
          s + " over " + keys + " keys does not go with " + pages + " of " + pages.capacity());
    }
  }

  static void store(KvPages pages, Tensor places, Tensor k, Tensor v) {
    for (int r = 0; r < k.dim(0); r++) {
      int place = places.getInt(r);
      store(pages, place, r, k, pages.keys());
      store(pages, place, r, v, pages.values());
    }
  }

  private static void store(KvPages pages, int place, int row, Tensor from, Tensor to) {
    long element = from.dtype().bytes();
    long width = pages.headDim() * element;
    long block = place / KvPages.TOKENS * to.rowStride() * element;
    long token = place % KvPages.TOKENS * width;
    to.memory()
        .copyRows(
            from.segment(),
            row * from.rowStride() * element,
            width,
            to.segment(),
            block + token,
            KvPages.TOKENS * width,
            width,
            pages.kvHeads());
  }

  /** A copy of the first {@code keys} positions of sequence {@code b} as a cache [g, keys, d]. */
  static Tensor gathered(KvPages pages, Tensor pool, int b, int keys) {
    Memory memory = pool.memory();
    int d = pages.headDim();
    Tensor out = Tensor.allocate(memory, Arena.ofAuto(), pool.dtype(), pages.kvHeads(), keys, d);
    long row = d * (long) pool.dtype().bytes();
    for (int from = 0; from < keys; from += KvPages.TOKENS) {
      long n = Math.min(KvPages.TOKENS, keys - from);
      int block = pages.table().getInt(b * pages.table().dim(1) + from / KvPages.TOKENS);
      memory.copyRows(
          pool.segment(),
          block * pool.rowStride() * pool.dtype().bytes(),
          KvPages.TOKENS * row,
          out.segment(),
          from * row,
          keys * row,
          n * row,
          pages.kvHeads());
    }
    return out;
  }

  /** T queries of sequence {@code b} from {@code offset} on. */
  static void forward(
      CausalAttention attention,
      Shape s,
      int[] kvOf,
      KvPages pages,
      int b,
      int offset,
      Tensor q,
      Tensor o) {
    int keys = offset + s.queries();
    check(s, pages, keys);
    Tensor k = gathered(pages, pages.keys(), b, keys);
    Tensor v = gathered(pages, pages.values(), b, keys);
    attention.forward(s, kvOf, offset, q, k, v, o, null);
  }
}
