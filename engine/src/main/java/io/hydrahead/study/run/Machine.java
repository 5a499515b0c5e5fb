package io.hydrahead.study.run;

import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;

/** A device that a study computes on. */
public interface Machine {
  /**
   * Operations of the device; the caller closes them before it asks again. Several threads may ask,
   * each for its own.
   *
   * @param activations in which a GPU computes; the CPU does so in float32
   */
  Ops open(DType activations);
}
