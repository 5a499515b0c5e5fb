package io.hydrahead.ops.embedding;

import io.hydrahead.tensor.Tensor;

/**
 * Token embedding: out[i] = table[ids[from + i]]; table [V, D] F32, BF16 or F16, out [n, D]
 * float32.
 */
public interface Embedding {
  void forward(int[] ids, int from, Tensor table, Tensor out);

  /** dTable[ids[from + i]] += dOut[i], in token order: run-to-run deterministic. */
  void backward(int[] ids, int from, Tensor dOut, Tensor dTable);
}
