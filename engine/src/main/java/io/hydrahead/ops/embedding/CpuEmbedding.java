package io.hydrahead.ops.embedding;

import io.hydrahead.ops.Floats;
import io.hydrahead.ops.Rows;
import io.hydrahead.ops.Slices;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.NativeMemory;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.function.IntConsumer;

/**
 * {@link Embedding} on the CPU. The gradient is cut by columns, so that every element of the table
 * still gets its tokens in order.
 */
public final class CpuEmbedding implements Embedding {
  private static final int COLUMNS = 64;

  private final ComputePool pool;
  private final IntConsumer forwardTask = this::forwardSlice;
  private final IntConsumer backwardTask = this::backwardBlock;

  // The work under way; the tensors are fields so that their memory stays alive.
  private Tensor ids;
  private Tensor table;
  private Tensor rows;
  private int n;
  private int d;
  private int slices;

  public CpuEmbedding(ComputePool pool) {
    this.pool = pool;
  }

  @Override
  public synchronized void forward(Tensor ids, Tensor table, Tensor out) {
    prepare(ids, table, out);
    slices = Slices.count(n, d);
    pool.run(slices, forwardTask);
  }

  private void prepare(Tensor ids, Tensor table, Tensor rows) {
    n = EmbeddingShape.check(ids, table, rows);
    this.ids = ids;
    this.table = table;
    this.rows = rows;
    d = table.size(1);
  }

  private void forwardSlice(int slice) {
    long from = table.hostAddress();
    long to = Floats.address(rows);
    int end = (int) Slices.first(slice + 1, slices, n);
    for (int r = (int) Slices.first(slice, slices, n); r < end; r++) {
      long row = (long) ids.getInt(r) * d;
      long out = to + 4L * r * d;
      if (table.dtype() == DType.F32) {
        MemorySegment.copy(NativeMemory.ALL, from + 4 * row, NativeMemory.ALL, out, 4L * d);
      } else {
        for (int i = 0; i < d; i++) {
          Floats.set(out + 4L * i, table.get(row + i));
        }
      }
    }
  }

  @Override
  public synchronized void backward(Tensor ids, Tensor dOut, Tensor dTable) {
    prepare(ids, dTable, dOut);
    TensorChecks.floats("dTable", dTable, dTable.size());
    pool.run((d + COLUMNS - 1) / COLUMNS, backwardTask);
  }

  private void backwardBlock(int block) {
    int column = block * COLUMNS;
    int count = Math.min(COLUMNS, d - column);
    long to = Floats.address(table) + 4L * column;
    long from = Floats.address(rows) + 4L * column;
    for (int r = 0; r < n; r++) {
      Rows.axpy(1f, from + 4L * r * d, to + 4L * ids.getInt(r) * d, count);
    }
  }
}
