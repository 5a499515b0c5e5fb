package io.hydrahead.ops.embedding;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** {@link Embedding} as plain loops. */
public final class ReferenceEmbedding implements Embedding {
  @Override
  public void forward(Tensor ids, Tensor table, Tensor out) {
    int n = EmbeddingShape.check(ids, table, out);
    long d = table.dim(1);
    for (int r = 0; r < n; r++) {
      for (long i = 0; i < d; i++) {
        out.set(r * d + i, table.get(ids.getInt(r) * d + i));
      }
    }
  }

  @Override
  public void backward(Tensor ids, Tensor dOut, Tensor dTable) {
    int n = EmbeddingShape.check(ids, dTable, dOut);
    TensorChecks.floats("dTable", dTable, dTable.size());
    long d = dTable.dim(1);
    for (int r = 0; r < n; r++) {
      for (long i = 0; i < d; i++) {
        long at = ids.getInt(r) * d + i;
        dTable.set(at, dTable.get(at) + dOut.get(r * d + i));
      }
    }
  }
}
