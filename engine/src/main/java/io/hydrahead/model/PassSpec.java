package io.hydrahead.model;

import io.hydrahead.ops.Ops;

/** What a pass is built for: a model's structure and fixed sizes, B sequences of T tokens. */
record PassSpec(
    ModelConfig config,
    HeadPlan plan,
    Style style,
    Ops ops,
    int batch,
    int tokens,
    boolean training) {

  /** N = B·T. */
  int rows() {
    return Math.multiplyExact(batch, tokens);
  }
}
