package io.hydrahead.ops.deltarule;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import java.lang.ref.Reference;
import java.util.function.IntConsumer;

/** {@link GatedDeltaRule} with the Vector API; one call at a time. */
final class VectorGatedDeltaRule implements GatedDeltaRule {
  /** Up to this many floats of state, a step is not worth waking the team. */
  private static final long SMALL_STATE = 40_000;

  /**
   * Most heads of a task, which are neighbours in memory: one alone leaves unused most of what the
   * prefetcher brings. At least so many tasks a thread, that the team ends together.
   */
  private static final int MOST_HEADS = 4;

  private static final int TASKS = 2;

  private final ComputePool pool;
  private final DeltaRuleCall call = new DeltaRuleCall();
  private int heads;
  private int group;
  private final IntConsumer forward =
      i -> BlockForward.ofThread().run(call, i * group, Math.min(group, heads - i * group));
  private final IntConsumer backward =
      i -> BlockBackward.ofThread().run(call, i * group, Math.min(group, heads - i * group));
  private final IntConsumer step = i -> DeltaRuleStep.run(call, i);

  VectorGatedDeltaRule(ComputePool pool) {
    this.pool = pool;
  }

  @Override
  public long savedFloats(Shape s) {
    return (long) s.batch()
        * s.heads()
        * DeltaRuleCall.savedFloatsOfHead(s.tokens(), s.keyDim(), s.valueDim());
  }

  @Override
  public void forward(Shape s, Inputs in, int start, Tensor state, Tensor out, Tensor saved) {
    DeltaRuleShape.check(s, in, state, out);
    if (saved != null) {
      DeltaRuleShape.exactly("saved", saved, savedFloats(s));
      if (start != 0) {
        throw new IllegalArgumentException("training starts at position 0, not " + start);
      }
    }
    call.set(s, in, start, state, out, saved);
    runHeads(s, forward);
    keep(in, state, out, saved);
  }

  @Override
  public void backward(Shape s, Inputs in, Tensor saved, Tensor dOut, Tensor dState, Inputs grads) {
    DeltaRuleShape.check(s, in, dState, dOut);
    DeltaRuleShape.check(s, grads, dState, dOut);
    DeltaRuleShape.exactly("saved", saved, savedFloats(s));
    call.set(s, in, 0, dState, dOut, saved);
    call.setGradients(grads);
    runHeads(s, backward);
    keep(in, dState, dOut, saved);
    keep(grads, dState, dOut, saved);
  }

  private void runHeads(Shape s, IntConsumer task) {
    heads = s.batch() * s.heads();
    group = Math.clamp(heads / (TASKS * pool.threads()), 1, MOST_HEADS);
    pool.run(Math.ceilDiv(heads, group), task);
  }

  @Override
  public void step(Shape s, Inputs in, Tensor state, Tensor out) {
    DeltaRuleShape.check(s, in, state, out);
    if (s.tokens() != 1) {
      throw new IllegalArgumentException("a step takes one token, not " + s.tokens());
    }
    call.set(s, in, 0, state, out, null);
    step(s);
    keep(in, state, out, null);
  }

  @Override
  public void step(Shape s, Inputs in, Tensor slots, Tensor states, Tensor out) {
    DeltaRuleShape.checkRows(s, in, out);
    DeltaRuleShape.checkSlots(s, slots, states);
    call.set(s, in, 0, null, out, null);
    call.setSlots(slots, states, s.batch());
    step(s);
    keep(in, states, out, slots);
  }

  private void step(Shape s) {
    int tasks = s.batch() * s.heads();
    if ((long) tasks * s.keyDim() * s.valueDim() <= SMALL_STATE) {
      for (int i = 0; i < tasks; i++) {
        DeltaRuleStep.run(call, i);
      }
    } else {
      pool.run(tasks, step);
    }
  }

  /** Native memory on an automatic arena must outlive the work on its address. */
  private static void keep(Inputs in, Tensor a, Tensor b, Tensor c) {
    Reference.reachabilityFence(in);
    Reference.reachabilityFence(a);
    Reference.reachabilityFence(b);
    Reference.reachabilityFence(c);
  }
}
