package io.hydrahead.ops.deltarule;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import io.hydrahead.ops.Floats;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Inputs;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.ops.lanes.Lanes;
import io.hydrahead.tensor.NativeMemory;
import io.hydrahead.tensor.Tensor;

/** Sizes and addresses of the call in progress; strides in bytes. */
final class DeltaRuleCall {
  private static final int LONG_BLOCK = 32;

  private static final int SHORT_BLOCK = 16;

  /** Floats of a state that stays in the first cache beside a short block. */
  private static final int SMALL_STATE = 64 * 64;

  /**
   * Tokens a block: the chunk of the formulas, a divisor of {@link GatedDeltaRule#CHUNK}. A token
   * costs 6·K·V operations with the state and about 4·block·V within its block. So blocks are short
   * if a state fits the first cache beside them; else every block fetches it again. They are long
   * in the backward pass, which transposes states and sums over them once a block; W and the states
   * it is given do not depend on the blocks of the forward pass.
   */
  int block;

  int tokens;
  int heads;
  int keyDim;
  int valueDim;
  int start;

  /** 1/√K. */
  float norm;

  long q;
  long k;
  long v;
  long g;
  long beta;
  private long state;

  /** Address of each sequence's slot, or 0 where states lie in the order of the sequences. */
  private long slotAddresses;

  private long slotBytes;
  long out;

  /** 0 if nothing is to be saved. */
  long saved;

  long dq;
  long dk;
  long dv;
  long dg;
  long dBeta;

  void set(Shape s, Inputs in, int from, Tensor states, Tensor outputs, Tensor saving) {
    tokens = s.tokens();
    heads = s.heads();
    keyDim = s.keyDim();
    valueDim = s.valueDim();
    start = from;
    norm = (float) (1 / Math.sqrt(keyDim));
    q = address(in.q());
    k = address(in.k());
    v = address(in.v());
    g = address(in.g());
    beta = address(in.beta());
    state = states == null ? 0 : address(states);
    out = address(outputs);
    saved = saving == null ? 0 : address(saving);
    block = (long) keyDim * valueDim <= SMALL_STATE ? SHORT_BLOCK : LONG_BLOCK;
    slotAddresses = 0;
  }

  void setGradients(Inputs grads) {
    dq = address(grads.q());
    dk = address(grads.k());
    dv = address(grads.v());
    dg = address(grads.g());
    dBeta = address(grads.beta());
    block = LONG_BLOCK;
  }

  /** States of the sequences lie in these slots of a pool [slots, H·K·V], a row each. */
  void setSlots(Tensor slots, Tensor pool, int batch) {
    slotAddresses = slots.hostAddress();
    state = NativeMemory.address(pool.segment(), pool.segment().byteSize());
    slotBytes = 4 * pool.rowStride();
    for (int b = 0; b < batch; b++) {
      if (slots.getInt(b) < 0 || slots.getInt(b) >= pool.dim(0)) {
        throw new IllegalArgumentException("slot " + slots.getInt(b) + " of " + pool);
      }
    }
  }

  private static long address(Tensor t) {
    return Floats.address(t);
  }

  /** Index of token t of task {@code index}'s head among all (sequence, token, head). */
  long row(int index, int t) {
    return ((long) (index / heads) * tokens + t) * heads + index % heads;
  }

  long state(int index) {
    long head = 4L * keyDim * valueDim;
    if (slotAddresses == 0) {
      return state + index * head;
    }
    int slot = ALL.get(JAVA_INT_UNALIGNED, slotAddresses + 4L * (index / heads));
    return state + slot * slotBytes + index % heads * head;
  }

  /** Rows of a state, whole tiles of 4. */
  static int stateRows(int keyDim) {
    return (keyDim + 3) / 4 * 4;
  }

  /** States before all long blocks, then the rows W of all tokens; padded to whole vectors. */
  static long savedFloatsOfHead(int tokens, int keyDim, int valueDim) {
    long blocks = Math.ceilDiv(tokens, LONG_BLOCK);
    return blocks * (stateRows(keyDim) + LONG_BLOCK) * Lanes.padded(valueDim);
  }

  /** Whether the state before token t is saved. */
  boolean savesState(int t) {
    return saved != 0 && t % LONG_BLOCK == 0;
  }

  /** Of the state before token t, the first of a long block. */
  long savedState(int index, int t) {
    long width = Lanes.padded(valueDim);
    return saved
        + 4
            * (index * savedFloatsOfHead(tokens, keyDim, valueDim)
                + (long) (t / LONG_BLOCK) * stateRows(keyDim) * width);
  }

  /** Of row W_t. */
  long savedRows(int index, int t) {
    int end = Math.ceilDiv(tokens, LONG_BLOCK) * LONG_BLOCK;
    return savedState(index, end) + 4L * t * Lanes.padded(valueDim);
  }
}
