package io.hydrahead.model;

import java.util.Arrays;

/**
 * What one sequence remembers in a {@link CachePool}: a table of blocks, a slot, and how many
 * tokens it has read. It has one reference to each of its blocks.
 */
public final class SequenceCache implements AutoCloseable {
  private final CachePool pool;
  private final int slot;
  private int[] blocks = new int[4];
  private int count;
  private int position;
  private boolean closed;

  /** Of a text of which nothing was read. */
  public SequenceCache(CachePool pool) {
    this.pool = pool;
    slot = pool.takeSlot();
    pool.clearSlot(slot);
  }

  /**
   * Of a text that begins with {@code known}, whole blocks that others have, too.
   *
   * @param state slot with the recurrent states behind them, which is copied; 0 where the model has
   *     none
   */
  public SequenceCache(CachePool pool, int[] known, int state) {
    this.pool = pool;
    slot = pool.takeSlot();
    if (state != 0 && state != slot) {
      pool.copySlot(state, slot);
    }
    blocks = Arrays.copyOf(known, Math.max(4, known.length));
    count = known.length;
    for (int b : known) {
      pool.share(b);
    }
    position = known.length * CachePool.BLOCK;
  }

  /**
   * For benchmarks: of a text of {@code tokens} tokens that nobody read, with whatever its blocks
   * and its slot hold.
   */
  public static SequenceCache unread(CachePool pool, int tokens) {
    SequenceCache cache = new SequenceCache(pool, new int[0], 0);
    cache.reserve(tokens);
    cache.position = tokens;
    return cache;
  }

  /** Tokens read so far. */
  public int position() {
    return position;
  }

  /** The slot of the recurrent states. */
  public int slot() {
    return slot;
  }

  /** Blocks taken so far. */
  public int blocks() {
    return count;
  }

  /** Block {@code i} of the text. */
  public int block(int i) {
    return blocks[i];
  }

  /** The first {@code n} blocks. */
  public int[] firstBlocks(int n) {
    return Arrays.copyOf(blocks, n);
  }

  /** Blocks that a text of {@code tokens} has. */
  public static int blocksOf(int tokens) {
    return Math.ceilDiv(tokens, CachePool.BLOCK);
  }

  /** Takes the blocks that are missing for {@code tokens} in all; returns how many those were. */
  public int reserve(int tokens) {
    int wanted = blocksOf(tokens);
    int taken = Math.max(0, wanted - count);
    if (wanted > blocks.length) {
      blocks = Arrays.copyOf(blocks, Math.max(wanted, 2 * blocks.length));
    }
    while (count < wanted) {
      blocks[count++] = pool.takeBlock();
    }
    return taken;
  }

  /** Where the keys and values of {@code position} lie: block · {@link CachePool#BLOCK} + token. */
  int place(int at) {
    return blocks[at / CachePool.BLOCK] * CachePool.BLOCK + at % CachePool.BLOCK;
  }

  /** A step has read {@code tokens} more. */
  void advance(int tokens) {
    position += tokens;
  }

  /** The table, of which {@link #blocks()} entries count. */
  int[] table() {
    return blocks;
  }

  /**
   * A sequence that goes on from here by itself: it shares the whole blocks and has a copy of the
   * last and of the state.
   */
  public SequenceCache fork() {
    int whole = position / CachePool.BLOCK;
    SequenceCache other = new SequenceCache(pool, firstBlocks(whole), slot);
    if (position % CachePool.BLOCK > 0) {
      other.reserve(position);
      pool.copyBlock(blocks[whole], other.blocks[whole]);
    }
    other.position = position;
    return other;
  }

  /** Gives everything back. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      for (int i = 0; i < count; i++) {
        pool.giveBack(blocks[i]);
      }
      pool.giveBackSlot(slot);
    }
  }
}
