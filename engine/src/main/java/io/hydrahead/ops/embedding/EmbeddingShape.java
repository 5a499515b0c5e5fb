package io.hydrahead.ops.embedding;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** Argument checks that every backend of {@link Embedding} shares. */
final class EmbeddingShape {
  private EmbeddingShape() {}

  /** Returns the number of rows n of {@code rows} [n, D]. Ids are looked at on the host only. */
  static int check(Tensor ids, Tensor table, Tensor rows) {
    int n = TensorChecks.rows(rows);
    TensorChecks.activations("rows", rows, rows.size());
    TensorChecks.integers("ids", ids, n);
    TensorChecks.weights("table", table, table.size());
    if (table.rank() != 2 || table.dim(1) != rows.dim(-1)) {
      throw new IllegalArgumentException("table " + table + " does not fit rows " + rows);
    }
    long vocabulary = table.dim(0);
    for (int i = 0; i < n && ids.memory().host(); i++) {
      int id = ids.getInt(i);
      if (id < 0 || id >= vocabulary) {
        throw new IllegalArgumentException("token id " + id + " in a vocabulary of " + vocabulary);
      }
    }
    return n;
  }
}
