package io.hydrahead.model;

/**
 * Shape of the linear-attention layers of a Qwen3.5 model, whose heads are not those of its full
 * layers: Gated DeltaNet behind a short convolution.
 *
 * @param keyHeads heads of queries and keys; each serves valueHeads / keyHeads value heads
 * @param valueHeads heads of values, with a recurrent state each
 * @param keyDim dims of a query or key
 * @param valueDim dims of a value
 * @param convKernel taps of the convolution
 */
public record DeltaNetConfig(
    int keyHeads, int valueHeads, int keyDim, int valueDim, int convKernel) {
  /** Of models that have no such layers. */
  public static final DeltaNetConfig NONE = new DeltaNetConfig(0, 0, 0, 0, 0);

  public DeltaNetConfig {
    if (keyHeads > 0 && valueHeads % keyHeads != 0) {
      throw new IllegalArgumentException(
          "linear_num_value_heads "
              + valueHeads
              + " is not a multiple of linear_num_key_heads "
              + keyHeads);
    }
  }

  /** Elements of a token's queries, or keys. */
  public long keyWidth() {
    return (long) keyHeads * keyDim;
  }

  /** Elements of a token's values. */
  public long valueWidth() {
    return (long) valueHeads * valueDim;
  }

  /** Floats of the convolutions' last inputs of one layer and sequence. */
  public long historyFloats() {
    return Math.max(0, convKernel - 1) * (2 * keyWidth() + valueWidth());
  }
}
