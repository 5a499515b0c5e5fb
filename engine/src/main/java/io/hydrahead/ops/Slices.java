package io.hydrahead.ops;

/**
 * How work is cut into tasks: by its size alone, never by the number of threads, so that partial
 * sums are the same bits on every team.
 */
public final class Slices {
  /** Most slices of one call, and so of partial sums kept for it. */
  public static final int MAX = 32;

  /** Floats of one block in which flat arrays are cut: a whole number of vectors. */
  public static final int BLOCK = 64;

  private static final long GRAIN = 1 << 14;

  private Slices() {}

  /** Number of slices for {@code rows} rows of {@code width} elements. */
  public static int count(long rows, long width) {
    long wanted = (rows * Math.max(1, width) + GRAIN - 1) / GRAIN;
    return (int) Math.min(Math.min(wanted, MAX), rows);
  }

  /** First row of {@code slice}; that of the slice after the last is {@code rows}. */
  public static long first(int slice, int count, long rows) {
    return rows * slice / count;
  }

  /** Number of slices of a flat array. */
  public static int flat(long size) {
    return count((size + BLOCK - 1) / BLOCK, BLOCK);
  }

  /** First element of {@code slice} of a flat array. */
  public static long firstFlat(int slice, int count, long size) {
    return Math.min(size, first(slice, count, (size + BLOCK - 1) / BLOCK) * BLOCK);
  }
}
