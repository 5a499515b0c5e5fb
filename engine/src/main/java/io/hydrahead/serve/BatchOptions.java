package io.hydrahead.serve;

import io.hydrahead.model.CachePool;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.SequenceCache;
import io.hydrahead.tensor.InputException;

/**
 * How much a {@link BatchEngine} may take of what.
 *
 * @param maxSequences most texts at a time
 * @param maxContext most tokens of a text, prompt and reply
 * @param piece most tokens of a prompt that a step reads, a multiple of {@link CachePool#BLOCK}
 * @param pools memory of all texts and of the prefix cache
 * @param prefixCache whether prompts that begin alike are read once
 * @param snapshotEvery tokens from one snapshot of recurrent states to the next in a long prompt, a
 *     multiple of {@link CachePool#BLOCK}
 */
public record BatchOptions(
    int maxSequences,
    int maxContext,
    int piece,
    CachePool.Size pools,
    boolean prefixCache,
    int snapshotEvery) {
  private static final int HOST_PIECE = 256;
  private static final int DEVICE_PIECE = 2048;
  private static final int EVERY = 4096;

  /** Of what is free on a device: the rest is for the buffers of a step. */
  private static final double SHARE = 0.8;

  /** Most bytes of all keys and values in the host's memory, unless one text takes more. */
  private static final long HOST_BYTES = 4L << 30;

  public BatchOptions {
    boolean onGrid = piece > 0 && piece % CachePool.BLOCK == 0;
    onGrid &= snapshotEvery > 0 && snapshotEvery % CachePool.BLOCK == 0;
    if (maxSequences < 1 || maxContext < 1 || !onGrid) {
      throw new InputException(
          "%d sequences of %d tokens, pieces of %d and a snapshot every %d: the last two must be multiples of %d"
              .formatted(maxSequences, maxContext, piece, snapshotEvery, CachePool.BLOCK));
    }
  }

  /**
   * Room for {@code maxSequences} texts of {@code maxContext} tokens, or as many blocks as a device
   * has memory for, or as fit into 4 GiB of the host's; and for snapshots of states. Where 4 GiB of
   * the host's do not hold the states of so many texts, there are fewer.
   *
   * @throws InputException if not even one text of {@code maxContext} fits
   */
  public static BatchOptions of(HybridTransformer model, int maxSequences, int maxContext) {
    boolean host = model.ops().memory().host();
    int piece = host ? HOST_PIECE : DEVICE_PIECE;
    long one = SequenceCache.blocksOf(maxContext);
    long slot = Math.max(1, CachePool.slotBytes(model, maxContext));
    int most = host ? (int) Math.clamp(HOST_BYTES / slot, 1, 1 << 24) : 1 << 24;
    int sequences = Math.min(maxSequences, most);
    long blocks = Math.min(Integer.MAX_VALUE / 2, sequences * one);
    // Its own, one that trails behind it, and two for prefixes.
    int slots = CachePool.recurrent(model) ? Math.min(4 * sequences, most) : sequences;
    long block = Math.max(1, CachePool.blockBytes(model));
    long free = model.ops().memory().freeBytes();
    if (host) {
      blocks = Math.max(one, Math.min(blocks, HOST_BYTES / block));
    } else if (free != Long.MAX_VALUE) {
      long left = (long) (SHARE * free) - slots * slot;
      blocks = Math.min(blocks, Math.max(0, left) / block);
      if (blocks < one) {
        throw new InputException(
            "a text of %,d tokens does not fit beside %d recurrent states: the largest context is %,d, fewer sequences leave more"
                .formatted(maxContext, slots, blocks * CachePool.BLOCK));
      }
    }
    CachePool.Size size = new CachePool.Size((int) blocks, slots, maxContext);
    return new BatchOptions(sequences, maxContext, piece, size, true, EVERY);
  }

  /** The same with other pools. */
  public BatchOptions withPools(CachePool.Size size) {
    return new BatchOptions(maxSequences, maxContext, piece, size, prefixCache, snapshotEvery);
  }

  /** The same with other pieces and snapshots. */
  public BatchOptions withPiece(int tokens, int snapshots) {
    return new BatchOptions(maxSequences, maxContext, tokens, pools, prefixCache, snapshots);
  }

  /** The same with or without a prefix cache. */
  public BatchOptions withPrefixCache(boolean wanted) {
    return new BatchOptions(maxSequences, maxContext, piece, pools, wanted, snapshotEvery);
  }
}
