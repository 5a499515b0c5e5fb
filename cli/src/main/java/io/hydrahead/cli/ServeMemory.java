package io.hydrahead.cli;

import com.sun.management.OperatingSystemMXBean;
import io.hydrahead.model.CachePool;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.serve.BatchOptions;
import io.hydrahead.tensor.InputException;
import java.lang.management.ManagementFactory;

/** Which contexts {@code serve} has memory for, before it takes any. */
final class ServeMemory {
  /** Longest that a text's place in it is a number of 32 bits, with room to count on. */
  private static final int MOST = Integer.MAX_VALUE / 2;

  /** Of the host's memory; the rest is for the program itself and everybody else. */
  private static final double SHARE = 0.9;

  private ServeMemory() {}

  /**
   * Most tokens of a text: those asked for, or what the model was trained for.
   *
   * @param asked what {@code --max-context} says; null if it is not there
   * @throws InputException if the caches of one such text do not fit, with the largest that do
   */
  static int context(HybridTransformer model, TokenCount asked, int sequences) {
    long wanted = asked == null ? model.config().maxPositionEmbeddings() : asked.tokens();
    boolean host = model.ops().memory().host();
    long room =
        host ? (long) (SHARE * machineBytes()) - model.parameters().bytes() : Long.MAX_VALUE;
    if (wanted <= MOST && fits(model, (int) wanted, sequences, room)) {
      return (int) wanted;
    }
    int low = 0;
    int high = (int) Math.min(wanted, MOST);
    while (low + 1 < high) {
      int middle = low + (high - low) / 2;
      if (fits(model, middle, sequences, room)) {
        low = middle;
      } else {
        high = middle;
      }
    }
    String what =
        asked == null
            ? "the %d tokens that the model was trained for do".formatted(wanted)
            : "--max-context %d does".formatted(wanted);
    String most =
        low == 0
            ? "not even one token does; take a smaller model or a larger machine"
            : "the largest --max-context that does is " + low;
    throw new InputException("%s not fit into %s: %s".formatted(what, where(model, host), most));
  }

  private static String where(HybridTransformer model, boolean host) {
    return host
        ? "nine tenths of the %s of this machine or container, beside %s of weights"
            .formatted(Table.bytes(machineBytes()), Table.bytes(model.parameters().bytes()))
        : "the memory of " + model.ops().memory();
  }

  private static boolean fits(HybridTransformer model, int context, int sequences, long room) {
    try {
      CachePool.Size size = BatchOptions.of(model, sequences, context).pools();
      long blocks = size.blocks() + 1L;
      long slots = size.slots() + 1L;
      long slot = CachePool.slotBytes(model, context);
      return Math.addExact(
              Math.multiplyExact(blocks, CachePool.blockBytes(model)),
              Math.multiplyExact(slots, slot))
          <= room;
    } catch (InputException tooLittle) {
      return false; // a device knows what it has
    }
  }

  /** Memory that this machine or container has in all. */
  static long machineBytes() {
    return ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean machine
        ? machine.getTotalMemorySize()
        : Long.MAX_VALUE;
  }
}
