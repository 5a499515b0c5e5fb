package io.hydrahead.train;

/**
 * The order in which rows of a corpus are read: in each epoch another permutation, a pure function
 * of (seed, epoch, position), so that a run resumes at any row without replaying the ones before.
 *
 * <p>The permutation is a four-round Feistel network over the next even power of two, walked until
 * it lands inside the corpus (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
 */
public final class DataOrder {
  private final long seed;
  private final long rows;
  private final int halfBits;

  /**
   * @param rows rows of the corpus, at least 1
   */
  public DataOrder(long seed, long rows) {
    if (rows < 1) {
      throw new IllegalArgumentException("a corpus of " + rows + " rows has no order");
    }
    this.seed = seed;
    this.rows = rows;
    int bits = Math.max(2, 64 - Long.numberOfLeadingZeros(rows - 1));
    this.halfBits = (bits + 1) / 2;
  }

  /** Which epoch, from 0, the {@code position}-th row of the run belongs to. */
  public long epoch(long position) {
    return position / rows;
  }

  /** Row of the corpus that is read at {@code position} of the run, both from 0. */
  public long row(long position) {
    long key = mix(seed ^ mix(epoch(position) + 0x9E3779B97F4A7C15L));
    long x = position % rows;
    do {
      x = permute(x, key);
    } while (x >= rows);
    return x;
  }

  private long permute(long x, long key) {
    long mask = (1L << halfBits) - 1;
    long left = x >>> halfBits;
    long right = x & mask;
    for (int round = 0; round < 4; round++) {
      long next = left ^ (mix(right + key + round * 0xD1B54A32D192ED03L) & mask);
      left = right;
      right = next;
    }
    return left << halfBits | right;
  }

  /** SplitMix64's finaliser (Steele, Lea and Flood, 2014): a bijection of 64 bits. */
  static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
