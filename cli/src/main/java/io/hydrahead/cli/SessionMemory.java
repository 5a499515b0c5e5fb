package io.hydrahead.cli;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.plan.MemoryPlan;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import java.util.Locale;

/** Whether the processor's memory can hold one text, before anything is made for it. */
final class SessionMemory {
  private SessionMemory() {}

  /**
   * A GPU's memory is looked at when it is taken, which is as early.
   *
   * @param option that asks for so many tokens
   * @throws InputException if keys, values and states of {@code tokens} take more than the machine
   *     has, with what would fit
   */
  static void require(HybridTransformer model, long tokens, String option) {
    if (model.ops().memory().host()) {
      require(
          MemoryPlan.of(model.config(), model.plan(), model.style(), DType.BF16, DType.F32),
          ServeMemory.machineBytes(),
          tokens,
          option);
    }
  }

  /**
   * @param room bytes of the machine
   */
  static void require(MemoryPlan plan, long room, long tokens, String option) {
    if (plan.cacheBytes(tokens) > room) {
      long most = Math.max(0, room - plan.cacheBytes(0)) / Math.max(1, plan.kvBytesPerToken());
      throw new InputException(
          String.format(
              Locale.ROOT,
              "%s: keys, values and states of %,d tokens take %s, and this machine or container has"
                  + " %s in all; give less than %,d tokens",
              option,
              tokens,
              Table.bytes(plan.cacheBytes(tokens)),
              Table.bytes(room),
              most));
    }
  }
}
