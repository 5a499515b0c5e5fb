package io.hydrahead.model;

import io.hydrahead.tensor.Tensor;

/**
 * Looks at, or replaces, what a layer's heads compute during a forward pass: the probe's way in.
 */
public interface HeadTap {
  /** Sees nothing, changes nothing. */
  HeadTap NONE = new HeadTap() {};

  /** Queries [N, h·d] and keys [N, g·d] of the full heads, after norm and rotary. */
  default void queriesAndKeys(int layer, Tensor q, Tensor k) {}

  /**
   * Whether {@link #headOutputs} writes every output of this layer, so that none need be computed.
   */
  default boolean replacesAll(int layer) {
    return false;
  }

  /**
   * Outputs of all heads [N, H·d] in the original head order, just before the output projection W_o
   * (after fusion, where the style has one). What it writes there goes on through the model. The
   * linear layers of Qwen3.5, whose heads are others, are not shown.
   */
  default void headOutputs(int layer, Tensor o) {}
}
