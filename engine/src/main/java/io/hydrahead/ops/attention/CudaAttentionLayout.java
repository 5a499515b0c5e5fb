package io.hydrahead.ops.attention;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.TensorMap;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/** Tensors on a device as the kernels of attention take them. */
final class CudaAttentionLayout {
  /** What they are compiled for. */
  static final int MOST_DIM = 256;

  private CudaAttentionLayout() {}

  /**
   * Checks shapes, types and places.
   *
   * @throws IllegalArgumentException if the kernels cannot do it
   */
  static void check(
      CudaDevice device,
      Shape s,
      int[] kvOf,
      int offset,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor o,
      Tensor lse) {
    DType type = q.dtype();
    if (type != DType.F32 && type != DType.BF16) {
      throw new IllegalArgumentException("q is " + q + ", attention takes F32 or BF16");
    }
    AttentionShape.check(type, s, kvOf, offset, q, k, v, o, lse);
    int d = s.headDim();
    if (d < 1 || d > MOST_DIM) {
      throw new IllegalArgumentException(
          "head dim " + d + ": the kernels of attention have 1 to " + MOST_DIM);
    }
    onDevice(device, q);
    onDevice(device, k);
    onDevice(device, v);
    onDevice(device, o);
    if (lse != null) {
      onDevice(device, lse);
      if (!lse.contiguous()) {
        throw new IllegalArgumentException("lse is a column slice: " + lse);
      }
    }
    if (type == DType.BF16 && (d % 16 != 0 || !aligned(s, q, k, v, o))) {
      throw new IllegalArgumentException(
          "attention in bf16 takes head dims and row strides that are multiples of 16 and 8, not "
              + d
              + " with q "
              + q
              + " and k "
              + k
              + ": take --dtype f32");
    }
  }

  private static void onDevice(CudaDevice device, Tensor t) {
    if (t.memory() != device.memory()) {
      throw new IllegalArgumentException(
          t + " lies in " + t.memory() + ", not in " + device.memory());
    }
  }

  /** Whether every row of every head starts at a multiple of 16 bytes. */
  static boolean aligned(Shape s, Tensor q, Tensor k, Tensor v, Tensor o) {
    return s.headDim() * q.dtype().bytes() % 16 == 0
        && CudaRows.alignedRows(q)
        && CudaRows.alignedRows(k)
        && CudaRows.alignedRows(v)
        && CudaRows.alignedRows(o);
  }

  /** Address, while the owner is alive. */
  static long address(Tensor t) {
    if (!t.segment().scope().isAlive()) {
      throw new IllegalStateException("the owner of " + t + " is closed");
    }
    return t.segment().address();
  }

  /** Writes {@code struct Keys} of keys or values at byte {@code at}. */
  static void keys(MemorySegment struct, int at, Tensor t, Shape s) {
    struct.set(JAVA_LONG, at, address(t));
    struct.set(JAVA_LONG, at + 8, AttentionShape.batchStride(t, s));
    struct.set(JAVA_LONG, at + 16, AttentionShape.headStride(t, s));
    struct.set(JAVA_LONG, at + 24, AttentionShape.tokenStride(t));
  }

  /** Writes {@code struct Keys} of pages at byte {@code at}. */
  static void pages(MemorySegment struct, int at, Tensor t, KvPages pages) {
    struct.set(JAVA_LONG, at, address(t));
    struct.set(JAVA_LONG, at + 8, t.rowStride());
    struct.set(JAVA_LONG, at + 16, (long) KvPages.TOKENS * pages.headDim());
    struct.set(JAVA_LONG, at + 24, pages.headDim());
  }

  /**
   * Checks what goes with pages.
   *
   * @throws IllegalArgumentException if the kernels cannot do it
   */
  static void checkPaged(
      CudaDevice device, Shape s, int[] kvOf, KvPages pages, long keys, Tensor q, Tensor o) {
    PagedAttention.check(s, pages, keys);
    AttentionShape.checkQueries(q.dtype(), s, kvOf, q, o);
    onDevice(device, q);
    onDevice(device, o);
    onDevice(device, pages.keys());
    onDevice(device, pages.values());
    onDevice(device, pages.table());
    int d = s.headDim();
    boolean rows = q.dtype() != DType.BF16 || aligned(s, q, pages.keys(), pages.values(), o);
    boolean dims = d >= 1 && d <= MOST_DIM && (q.dtype() != DType.BF16 || d % 16 == 0);
    if (pages.keys().dtype() != q.dtype() || !rows || !dims) {
      throw new IllegalArgumentException(
          "attention over pages " + pages + " with q " + q + ": types, head dim or alignment");
    }
  }

  /**
   * Encodes queries, or keys and values of the backward pass, as [B, heads, T, d].
   *
   * @param row elements from one token to the next
   */
  static TensorMap encode(TensorMap map, Tensor t, long row, int heads, Shape s) {
    int d = s.headDim();
    return map.encode(t.segment(), d, s.queries(), row, heads, d, s.batch(), s.queries() * row);
  }
}
