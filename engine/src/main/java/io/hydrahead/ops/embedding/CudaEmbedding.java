package io.hydrahead.ops.embedding;

import static io.hydrahead.cuda.CudaRows.aligned;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.CudaVariants;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/**
 * {@link Embedding} on a GPU. The gradient sorts the tokens by id with a stable radix sort and adds
 * up each id's rows in token order, long runs in chunks: the same bits in every run. Ids outside
 * the vocabulary give NaN and no gradient.
 */
public final class CudaEmbedding implements Embedding {
  private static final int BLOCK = 256;
  private static final int BLOCKS = 16; // a multiprocessor

  // Constants of the kernels.
  private static final int DIGIT_BITS = 8;
  private static final int TILE = 2048; // tokens a sorting block takes
  private static final int CHUNK = 64; // sorted tokens that are added up at once
  private static final int COLUMN_BLOCK = 64;

  private record Sites(
      LaunchArguments forward,
      LaunchArguments count,
      LaunchArguments scan,
      LaunchArguments scatter,
      LaunchArguments runs,
      LaunchArguments longRuns) {}

  private final CudaVariants<Sites> variants;
  private final CudaScratch scratch;
  private final CudaDevice device;

  public CudaEmbedding(CudaDevice device, CudaScratch scratch) {
    variants =
        new CudaVariants<>(
            device,
            CudaEmbedding.class,
            "embedding.cu",
            null,
            m ->
                new Sites(
                    m.kernel("embedding_forward").arguments(),
                    m.kernel("sort_count").arguments(),
                    m.kernel("sort_scan").arguments(),
                    m.kernel("sort_scatter").arguments(),
                    m.kernel("embedding_runs").arguments(),
                    m.kernel("embedding_long_runs").arguments()));
    this.scratch = scratch;
    this.device = device;
  }

  /** Whether rows of d elements of {@code rows} and of the table can be read in vectors. */
  private static boolean vectors(Tensor rows, Tensor table, int d) {
    boolean whole = d % CudaRows.vector(rows.dtype()) == 0;
    return whole && aligned(rows, d) && table.contiguous() && aligned(table, d);
  }

  @Override
  public void forward(Tensor ids, Tensor table, Tensor out) {
    int n = EmbeddingShape.check(ids, table, out);
    int d = table.size(1);
    boolean vectors = vectors(out, table, d);
    long each = (long) BLOCK * (vectors ? CudaRows.vector(out.dtype()) : 1);
    variants
        .get(0, out.dtype(), table.dtype(), vectors)
        .forward
        .begin()
        .integer(n)
        .integer(d)
        .integer(table.size(0))
        .pointer(ids)
        .pointer(table)
        .rows(out, d)
        .launch(device.blocks(Math.ceilDiv(out.size(), each), BLOCKS), BLOCK, 0);
  }

  @Override
  public void backward(Tensor ids, Tensor dOut, Tensor dTable) {
    int n = EmbeddingShape.check(ids, dTable, dOut);
    TensorChecks.floats("dTable", dTable, dTable.size());
    if (n == 0) {
      return;
    }
    int d = dTable.size(1);
    int vocabulary = dTable.size(0);
    int blocks = Math.ceilDiv(n, TILE);
    int chunks = Math.ceilDiv(n, CHUNK);
    long list = CudaScratch.padded(4L * n);
    long counts = CudaScratch.padded(4L * blocks << DIGIT_BITS);
    long base = scratch.bytes(4 * list + counts + 8L * chunks * d);
    long partials = base + 4 * list + counts;
    boolean vectors = vectors(dOut, dTable, d);
    Sites s = variants.get(0, dOut.dtype(), DType.F32, vectors);

    // Lists of keys and tokens take turns; the first keys are the ids themselves.
    long keys = ids.segment().address();
    long tokens = 0;
    int half = 0;
    int bits = Math.max(1, 32 - Integer.numberOfLeadingZeros(Math.max(0, vocabulary - 1)));
    for (int shift = 0; shift < bits; shift += DIGIT_BITS) {
      long toKeys = base + counts + 2 * half * list;
      long toTokens = toKeys + list;
      s.count
          .begin()
          .integer(n)
          .address(keys)
          .integer(shift)
          .address(base)
          .launch(blocks, BLOCK, 0);
      s.scan.begin().integer(blocks << DIGIT_BITS).address(base).launch(1, 1024, 0);
      s.scatter
          .begin()
          .integer(n)
          .address(keys)
          .address(tokens)
          .integer(shift)
          .address(base)
          .address(toKeys)
          .address(toTokens)
          .launch(blocks, BLOCK, 0);
      keys = toKeys;
      tokens = toTokens;
      half ^= 1;
    }
    int each = COLUMN_BLOCK * (vectors ? CudaRows.vector(dOut.dtype()) : 1);
    int columns = Math.ceilDiv(d, each);
    s.runs
        .begin()
        .integer(n)
        .integer(d)
        .integer(vocabulary)
        .address(keys)
        .address(tokens)
        .rows(dOut, d)
        .pointer(dTable)
        .address(partials)
        .launch(chunks, columns, 1, COLUMN_BLOCK, 0);
    s.longRuns
        .begin()
        .integer(n)
        .integer(d)
        .integer(vocabulary)
        .address(keys)
        .address(partials)
        .pointer(dTable)
        .launch(chunks, columns, 1, COLUMN_BLOCK, 0);
  }
}
