package io.hydrahead.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.hydrahead.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A descriptor of a tensor in device memory for the tensor memory accelerator of Hopper and newer:
 * where it is, its shape and strides, and the box that one copy moves. It is passed to kernels by
 * value ({@link LaunchArguments#map}), so it can be encoded anew between launches; encoding the
 * same again costs nothing.
 */
public final class TensorMap {
  static final int BYTES = 128;
  private static final int MOST_RANK = 5;

  /** How the inner row of a box is permuted in shared memory. */
  public enum Swizzle {
    NONE,
    BYTES_32,
    BYTES_64,
    BYTES_128
  }

  private final CudaDevice device;
  private final DType type;
  private final int rank;
  private final Swizzle swizzle;
  private final MemorySegment map;
  private final MemorySegment dims;
  private final MemorySegment strides;
  private final MemorySegment box;
  private final MemorySegment elementStrides;
  private long encodedAddress;
  private final long[] encodedDims = new long[MOST_RANK];
  private final long[] encodedStrides = new long[MOST_RANK];

  /**
   * A map whose box has the given lengths, the innermost dimension first.
   *
   * @param type F32 or BF16
   */
  public TensorMap(CudaDevice device, DType type, Swizzle swizzle, int... boxDims) {
    if (boxDims.length < 1 || boxDims.length > MOST_RANK) {
      throw new IllegalArgumentException("a tensor map has 1 to 5 dimensions");
    }
    if (type != DType.F32 && type != DType.BF16) {
      throw new IllegalArgumentException("tensor maps are of F32 or BF16, not " + type);
    }
    this.device = device;
    this.type = type;
    this.swizzle = swizzle;
    this.rank = boxDims.length;
    Arena arena = Arena.ofAuto();
    map = arena.allocate(BYTES, 64);
    dims = arena.allocate(JAVA_LONG, MOST_RANK);
    strides = arena.allocate(JAVA_LONG, MOST_RANK);
    box = arena.allocate(JAVA_INT, MOST_RANK);
    elementStrides = arena.allocate(JAVA_INT, MOST_RANK);
    for (int i = 0; i < rank; i++) {
      box.setAtIndex(JAVA_INT, i, boxDims[i]);
      elementStrides.setAtIndex(JAVA_INT, i, 1);
    }
  }

  /** Encodes a matrix: rows of {@code columns} elements, {@code rowStride} elements apart. */
  public TensorMap encode(MemorySegment start, long columns, long rows, long rowStride) {
    return encode(start, columns, rows, rowStride, 1, 0, 1, 0);
  }

  /** Encodes three dimensions; strides are in elements. */
  public TensorMap encode(
      MemorySegment start, long dim0, long dim1, long stride1, long dim2, long stride2) {
    return encode(start, dim0, dim1, stride1, dim2, stride2, 1, 0);
  }

  /** Encodes four dimensions, the innermost, which is dense, first; strides are in elements. */
  public TensorMap encode(
      MemorySegment start,
      long dim0,
      long dim1,
      long stride1,
      long dim2,
      long stride2,
      long dim3,
      long stride3) {
    if (!start.scope().isAlive()) {
      throw new IllegalStateException("the owner of this memory is closed");
    }
    boolean same = start.address() == encodedAddress;
    same &= dimension(0, dim0, 1);
    same &= dimension(1, dim1, stride1);
    same &= dimension(2, dim2, stride2);
    same &= dimension(3, dim3, stride3);
    if (!same) {
      encodedAddress = 0;
      device.makeCurrent();
      device
          .driver()
          .encodeTiled(
              map,
              type == DType.BF16 ? 9 : 7,
              rank,
              start.address(),
              dims,
              strides,
              box,
              elementStrides,
              swizzle.ordinal(),
              3);
      encodedAddress = start.address();
    }
    return this;
  }

  /** Notes one dimension and says whether it is as before. */
  private boolean dimension(int i, long length, long stride) {
    if (i >= rank || (encodedDims[i] == length && encodedStrides[i] == stride)) {
      return true;
    }
    encodedDims[i] = length;
    encodedStrides[i] = stride;
    dims.setAtIndex(JAVA_LONG, i, length);
    if (i > 0) {
      strides.setAtIndex(JAVA_LONG, i - 1, stride * type.bytes());
    }
    return false;
  }

  MemorySegment segment() {
    return map;
  }
}
