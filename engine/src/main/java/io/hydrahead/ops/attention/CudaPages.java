package io.hydrahead.ops.attention;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.CudaVariants;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** Writing to and copying from pages on a GPU, {@code paged.cu}. */
final class CudaPages implements AutoCloseable {
  private static final int BLOCK = 256;
  private static final int BLOCKS = 16; // a multiprocessor

  private record Sites(LaunchArguments store, LaunchArguments gather) {}

  private final CudaDevice device;
  private final CudaVariants<Sites> variants;

  /** For copies, which live longer than what a kernel's call takes of the common scratch. */
  private final CudaScratch scratch;

  private Tensor keys;
  private Tensor values;

  CudaPages(CudaDevice device) {
    this.device = device;
    scratch = new CudaScratch(device);
    variants =
        new CudaVariants<>(
            device,
            CudaPages.class,
            "paged.cu",
            "HEAD_DIM",
            m ->
                new Sites(
                    m.kernel("kv_store").arguments().overlapInSteps(),
                    m.kernel("kv_gather").arguments()));
  }

  private Sites sites(KvPages p, boolean alignedRows) {
    DType type = p.keys().dtype();
    boolean aligned = alignedRows && p.headDim() % CudaRows.vector(type) == 0;
    aligned &= CudaRows.alignedRows(p.keys()) && CudaRows.alignedRows(p.values());
    return variants.get(p.headDim(), type, aligned);
  }

  void store(KvPages p, Tensor places, Tensor k, Tensor v) {
    long width = (long) p.kvHeads() * p.headDim();
    int rows = k.size(0);
    TensorChecks.integers("places", places, rows);
    boolean fits = k.dtype() == p.keys().dtype() && v.dtype() == k.dtype() && v.dim(0) == rows;
    if (!fits || k.dim(1) != width || v.dim(1) != width) {
      throw new IllegalArgumentException("keys " + k + " and values " + v + " do not go into " + p);
    }
    sites(p, CudaRows.aligned(k, width) && CudaRows.aligned(v, width))
        .store
        .begin()
        .integer(rows)
        .integer(p.kvHeads())
        .pointer(places)
        .rows(k, width)
        .rows(v, width)
        .pointer(p.keys())
        .pointer(p.values())
        .wide(p.keys().rowStride())
        .launch(device.blocks(Math.ceilDiv(rows * width, BLOCK), BLOCKS), BLOCK, 0);
  }

  /** Copies the first {@code tokens} of the only sequence of a table to {@link #keys}. */
  void gather(KvPages p, int tokens) {
    long elements = (long) p.kvHeads() * tokens * p.headDim();
    long bytes = elements * p.keys().dtype().bytes();
    long each = CudaScratch.padded(bytes);
    long base = scratch.bytes(2 * each);
    keys = cache(p, tokens, base, bytes);
    values = cache(p, tokens, base + each, bytes);
    Sites s = sites(p, true);
    s.gather
        .begin()
        .integer(tokens)
        .integer(p.kvHeads())
        .pointer(p.table())
        .pointer(p.keys())
        .pointer(p.values())
        .wide(p.keys().rowStride())
        .pointer(keys)
        .pointer(values)
        .launch(device.blocks(Math.ceilDiv(elements, BLOCK), BLOCKS), 2, 1, BLOCK, 0);
  }

  private Tensor cache(KvPages p, int tokens, long address, long bytes) {
    MemorySegment s = MemorySegment.ofAddress(address).reinterpret(bytes);
    return Tensor.of(device.memory(), s, p.keys().dtype(), p.kvHeads(), tokens, p.headDim());
  }

  /** What was gathered last, [g, tokens, d]; valid until the next call. */
  Tensor keys() {
    return keys;
  }

  Tensor values() {
    return values;
  }

  @Override
  public void close() {
    scratch.close();
  }
}
