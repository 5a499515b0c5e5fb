package io.hydrahead.ops.attention;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/**
 * Keys and values of several sequences in blocks of one pool (PagedAttention, Kwon et al.,
 * arXiv:2309.06180): position p of sequence b lies in block {@code table[b, p / TOKENS]}.
 *
 * <p>A block holds {@value #TOKENS} positions of g KV heads, head after head: element (head, token,
 * c) at (head · {@value #TOKENS} + token) · d + c.
 *
 * @param keys [blocks, g·{@value #TOKENS}·d], possibly columns of a wider pool
 * @param values likewise
 * @param table [B, most] I32 in the operations' memory; what stands behind a sequence's last block
 *     is not read
 */
public record KvPages(Tensor keys, Tensor values, int kvHeads, int headDim, Tensor table) {
  /**
   * Tokens a block: a multiple of every kernel's block of keys, so that none of these crosses a
   * border.
   */
  public static final int TOKENS = 64;

  public KvPages {
    long width = (long) kvHeads * TOKENS * headDim;
    boolean fits = keys.rank() == 2 && keys.dim(1) == width && values.rank() == 2;
    fits &= values.dim(0) == keys.dim(0) && values.dim(1) == width;
    if (!fits || keys.dtype() != values.dtype() || keys.rowStride() != values.rowStride()) {
      throw new IllegalArgumentException(
          "keys " + keys + " and values " + values + " are not blocks of " + width + " elements");
    }
    if (table.rank() != 2 || table.dtype() != DType.I32 || !table.contiguous()) {
      throw new IllegalArgumentException("the block table is " + table + ", not [B, most] I32");
    }
  }

  /** Elements of a block of one layer's keys. */
  public static long elements(int kvHeads, int headDim) {
    return (long) kvHeads * TOKENS * headDim;
  }

  /** The same pool for the sequences of another table. */
  public KvPages with(Tensor otherTable) {
    return new KvPages(keys, values, kvHeads, headDim, otherTable);
  }

  /** Most positions of a sequence. */
  long capacity() {
    return table.dim(1) * TOKENS;
  }
}
