package io.hydrahead.model;

import io.hydrahead.ops.Graphs;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.Overlap;
import io.hydrahead.ops.Placement;
import io.hydrahead.ops.decode.TokenDecoder;
import io.hydrahead.tensor.DType;

/**
 * What a model takes of a device's memory, found by building it where memory is only counted: the
 * same code that allocates says how much, so that plan and use cannot part.
 *
 * @param weights bytes of the parameters
 * @param session bytes of one sequence's caches and buffers
 */
public record Footprint(long weights, long session) {
  public long total() {
    return weights + session;
  }

  /**
   * For inference.
   *
   * @param type of matrices, activations, keys and values
   * @param context tokens of the sequence
   */
  public static Footprint ofInference(
      ModelConfig config, HeadPlan plan, Style style, DType type, int context) {
    DryMemory memory = new DryMemory();
    Ops ops = dry(memory, type);
    ParameterLayout layout = ParameterLayout.of(config, plan, style);
    ParameterStore store = ParameterStore.arranged(memory, layout, type);
    long weights = memory.bytes();
    HybridTransformer model = new HybridTransformer(config, plan, style, store, ops);
    model.newSession(context).reserve();
    return new Footprint(weights, memory.bytes() - weights);
  }

  /** The longest context for which a session fits into {@code free} bytes; 0 if none does. */
  static int largestContext(HybridTransformer m, long free) {
    int low = 0;
    int high = 1 << 27;
    while (low < high) {
      int middle = low + (high - low + 1) / 2;
      if (ofSession(m, middle) <= free) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }

  /** Bytes of a session of {@code context} tokens. */
  static long ofSession(HybridTransformer m, int context) {
    return ofInference(m.config(), m.plan(), m.style(), m.ops().activations(), context).session;
  }

  /** Operations that know where they work, and nothing else. */
  private static Ops dry(DryMemory memory, DType type) {
    Placement placement =
        new Placement(memory, type, true, Graphs.IMMEDIATE, Overlap.NONE, () -> {});
    return new Ops(
        null,
        "dry run",
        false,
        placement,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        TokenDecoder.NONE);
  }
}
