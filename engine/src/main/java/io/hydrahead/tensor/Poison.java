package io.hydrahead.tensor;

import java.lang.foreign.MemorySegment;

/**
 * Fills fresh memory with NaN when the system property {@code hydrahead.poison} is true, as it is
 * in the tests: a kernel that reads what nobody wrote is then found at once.
 */
public final class Poison {
  private static final boolean ON = Boolean.getBoolean("hydrahead.poison");

  /** All ones: NaN in a float of 2, 4 or 8 bytes. */
  static final byte BYTE = (byte) 0xFF;

  private Poison() {}

  public static boolean on() {
    return ON;
  }

  /** NaN in every 4-byte word (and, being all ones, in every 2- and 8-byte float too), if on. */
  public static void fill(MemorySegment fresh) {
    if (ON) {
      fresh.fill(BYTE);
    }
  }
}
