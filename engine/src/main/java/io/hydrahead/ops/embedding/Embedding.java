package io.hydrahead.ops.embedding;

import io.hydrahead.tensor.Tensor;

/**
 * Token embedding: out[i] = table[ids[i]]; ids [n] I32 in the operations' memory, table [V, D] F32,
 * BF16 or F16, out [n, D].
 */
public interface Embedding {
  void forward(Tensor ids, Tensor table, Tensor out);

  /** dTable[ids[i]] += dOut[i], in token order: run-to-run deterministic; dTable is float32. */
  void backward(Tensor ids, Tensor dOut, Tensor dTable);
}
