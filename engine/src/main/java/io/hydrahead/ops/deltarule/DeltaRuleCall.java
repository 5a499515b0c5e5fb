package io.hydrahead.ops.deltarule;

import io.hydrahead.ops.Floats;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Inputs;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.ops.lanes.Lanes;
import io.hydrahead.tensor.Tensor;

/** Sizes and addresses of the call in progress; strides in bytes. */
final class DeltaRuleCall {
  /** Tokens a block: the chunk of the formulas, a divisor of {@link GatedDeltaRule#CHUNK}. */
  static final int BLOCK = 32;

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
  long state;
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
    state = address(states);
    out = address(outputs);
    saved = saving == null ? 0 : address(saving);
  }

  void setGradients(Inputs grads) {
    dq = address(grads.q());
    dk = address(grads.k());
    dv = address(grads.v());
    dg = address(grads.g());
    dBeta = address(grads.beta());
  }

  private static long address(Tensor t) {
    return Floats.address(t);
  }

  /** Index of token t of task {@code index}'s head among all (sequence, token, head). */
  long row(int index, int t) {
    return ((long) (index / heads) * tokens + t) * heads + index % heads;
  }

  long state(int index) {
    return state + 4L * index * keyDim * valueDim;
  }

  /** Rows of a state, whole tiles of 4. */
  static int stateRows(int keyDim) {
    return (keyDim + 3) / 4 * 4;
  }

  /** Initial states of all blocks, then the rows W of all tokens; padded to whole vectors. */
  static long savedFloatsOfHead(int tokens, int keyDim, int valueDim) {
    long blocks = (tokens + BLOCK - 1) / BLOCK;
    return (blocks * stateRows(keyDim) + blocks * BLOCK) * Lanes.padded(valueDim);
  }

  long savedState(int index, int block) {
    long width = Lanes.padded(valueDim);
    return saved
        + 4
            * (index * savedFloatsOfHead(tokens, keyDim, valueDim)
                + (long) block * stateRows(keyDim) * width);
  }

  long savedRows(int index, int block) {
    long width = Lanes.padded(valueDim);
    int blocks = (tokens + BLOCK - 1) / BLOCK;
    return savedState(index, blocks) + 4L * block * BLOCK * width;
  }
}
