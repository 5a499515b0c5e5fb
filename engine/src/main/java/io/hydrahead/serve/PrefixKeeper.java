package io.hydrahead.serve;

import io.hydrahead.model.CachePool;
import java.util.List;

/**
 * Decides what of the texts that are read is kept for others in a {@link PrefixCache}. Keys and
 * values are kept in whole blocks. Recurrent states can only be kept where they were copied: at the
 * last block border of a prompt, where others branched off, every so many tokens of a long prompt,
 * and on the last block border of a reply that grows.
 */
final class PrefixKeeper {
  private final CachePool pool;
  private final PrefixCache prefixes;
  private final boolean recurrent;

  /** Decoded states are not those of a prompt's pieces to the last bit: no reply is kept then. */
  private final boolean deterministic;

  private final int snapshotEvery;

  /**
   * @param recurrent whether the model has recurrent states
   * @param deterministic whether what is kept must be what reading again would give, to the bit
   * @param snapshotEvery tokens from one snapshot to the next, a multiple of {@link
   *     CachePool#BLOCK}
   */
  PrefixKeeper(
      CachePool pool,
      PrefixCache prefixes,
      boolean recurrent,
      boolean deterministic,
      int snapshotEvery) {
    this.pool = pool;
    this.prefixes = prefixes;
    this.recurrent = recurrent;
    this.deterministic = deterministic;
    this.snapshotEvery = snapshotEvery;
  }

  /**
   * Where the piece of a prompt ends that begins at {@code from} and has at most {@code most}
   * tokens: on the grid of blocks, and where a snapshot is wanted.
   */
  int pieceEnd(BatchSequence s, int from, int most) {
    int end = Math.min(s.prompt, wholeBlocks(from + most));
    if (recurrent && s.cached) {
      for (int stop :
          new int[] {lastGrid(s), s.branch, (from / snapshotEvery + 1) * snapshotEvery}) {
        if (from < stop && stop < end) {
          end = stop;
        }
      }
    }
    return end;
  }

  /** The last place in the prompt on the grid of blocks from which there is something to read. */
  private static int lastGrid(BatchSequence s) {
    return wholeBlocks(s.prompt - 1);
  }

  private static int wholeBlocks(int tokens) {
    return tokens / CachePool.BLOCK * CachePool.BLOCK;
  }

  /** Keeps what was read of a prompt, after each piece. */
  void read(BatchSequence s) {
    int at = s.cache.position();
    if (!s.cached) {
      return;
    }
    if (!recurrent) {
      prefixes.insert(s.ids, wholeBlocks(at), s.cache, 0);
    } else if (at % CachePool.BLOCK == 0) {
      boolean here = at == lastGrid(s) || at == s.branch || at % snapshotEvery == 0;
      prefixes.insert(s.ids, at, s.cache, here ? s.cache.slot() : 0);
    }
  }

  /** After each token of a reply: a snapshot trails on the grid of blocks behind its end. */
  void decoded(BatchSequence s) {
    int at = s.cache.position();
    if (!recurrent || !s.cached || deterministic || at % CachePool.BLOCK != 0) {
      return;
    }
    if (s.trailing == 0) {
      if (pool.freeSlots() == 0 && !prefixes.evictSnapshot()) {
        return;
      }
      s.trailing = pool.takeSlot();
    }
    pool.copySlot(s.cache.slot(), s.trailing);
    s.trailingAt = at;
  }

  /** Keeps a reply that ends, and gives its trailing snapshot back or to the cache. */
  void ended(BatchSequence s) {
    if (s.cached && !s.reading() && !deterministic) {
      if (!recurrent) {
        prefixes.insert(s.ids, wholeBlocks(s.cache.position()), s.cache, 0);
      } else if (s.trailing != 0 && prefixes.insertOwn(s.ids, s.trailingAt, s.cache, s.trailing)) {
        s.trailing = 0;
      }
    }
    dropTrailing(s);
  }

  /** Frees a slot of states: that of a snapshot, else one that trails behind a text. */
  boolean freeSlot(List<BatchSequence> open) {
    return prefixes.evictSnapshot() || open.stream().anyMatch(this::dropTrailing);
  }

  private boolean dropTrailing(BatchSequence s) {
    if (s.trailing == 0) {
      return false;
    }
    pool.giveBackSlot(s.trailing);
    s.trailing = 0;
    return true;
  }
}
