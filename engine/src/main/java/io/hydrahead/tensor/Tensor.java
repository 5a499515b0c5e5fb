package io.hydrahead.tensor;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * A dense row-major view of memory: a segment, an element type and a shape. It owns nothing; the
 * owner is the {@link Workspace}, store or arena that handed it out.
 *
 * <p>Access by element is for set-up code and references; kernels work on {@link #segment()}.
 */
public final class Tensor {
  /** Alignment of every allocation in bytes: one cache line and one AVX-512 vector. */
  public static final long ALIGNMENT = 64;

  private final MemorySegment segment;
  private final DType dtype;
  private final long[] shape;
  private final long size;

  private Tensor(MemorySegment segment, DType dtype, long[] shape) {
    this.segment = segment;
    this.dtype = dtype;
    this.shape = shape;
    this.size = count(shape);
  }

  /**
   * A view over {@code segment}.
   *
   * @throws IllegalArgumentException if the segment's size is not that of the shape
   */
  public static Tensor of(MemorySegment segment, DType dtype, long... shape) {
    long bytes = Math.multiplyExact(count(shape), (long) dtype.bytes());
    if (segment.byteSize() != bytes) {
      throw new IllegalArgumentException(
          "a "
              + dtype
              + " tensor of shape "
              + Arrays.toString(shape)
              + " takes "
              + bytes
              + " bytes, the segment has "
              + segment.byteSize());
    }
    return new Tensor(segment, dtype, shape.clone());
  }

  /** Fresh float32 memory from {@code arena}, 64-byte aligned; zero unless {@link Poison} is on. */
  public static Tensor allocate(Arena arena, long... shape) {
    return allocate(arena, DType.F32, shape);
  }

  /** Fresh memory from {@code arena}, 64-byte aligned; zero unless {@link Poison} is on. */
  public static Tensor allocate(Arena arena, DType dtype, long... shape) {
    long bytes = Math.multiplyExact(count(shape), (long) dtype.bytes());
    MemorySegment fresh = arena.allocate(Math.max(bytes, 1), ALIGNMENT).asSlice(0, bytes);
    Poison.fill(fresh);
    return new Tensor(fresh, dtype, shape.clone());
  }

  /** A float32 copy of {@code values} on the automatic (garbage-collected) arena. */
  public static Tensor of(float[] values, long... shape) {
    Tensor t = allocate(Arena.ofAuto(), shape);
    t.copyFrom(values);
    return t;
  }

  private static long count(long[] shape) {
    long n = 1;
    for (long s : shape) {
      if (s < 0) {
        throw new IllegalArgumentException("negative dimension in " + Arrays.toString(shape));
      }
      n = Math.multiplyExact(n, s);
    }
    return n;
  }

  public MemorySegment segment() {
    return segment;
  }

  public DType dtype() {
    return dtype;
  }

  /** A copy of the shape. */
  public long[] shape() {
    return shape.clone();
  }

  public int rank() {
    return shape.length;
  }

  /** Length of dimension {@code i}; negative counts from the end. */
  public long dim(int i) {
    return shape[i < 0 ? shape.length + i : i];
  }

  /** Like {@link #dim}, as an int. */
  public int size(int i) {
    return Math.toIntExact(dim(i));
  }

  /** Number of elements. */
  public long size() {
    return size;
  }

  public long bytes() {
    return segment.byteSize();
  }

  /** The same memory with another shape of the same size. */
  public Tensor view(long... newShape) {
    if (count(newShape) != size) {
      throw new IllegalArgumentException(
          "cannot view " + Arrays.toString(shape) + " as " + Arrays.toString(newShape));
    }
    return new Tensor(segment, dtype, newShape.clone());
  }

  /** Rows {@code from} to {@code from + rows − 1} of the first dimension. */
  public Tensor rows(long from, long rows) {
    if (from < 0 || rows < 0 || from + rows > shape[0]) {
      throw new IndexOutOfBoundsException(
          "rows " + from + "…" + (from + rows) + " of " + Arrays.toString(shape));
    }
    long row = shape[0] == 0 ? 0 : segment.byteSize() / shape[0];
    long[] s = shape.clone();
    s[0] = rows;
    return new Tensor(segment.asSlice(from * row, rows * row), dtype, s);
  }

  /** Element at flat {@code index}, widened to float. */
  public float get(long index) {
    return switch (dtype) {
      case F32 -> segment.get(JAVA_FLOAT_UNALIGNED, index * 4);
      case BF16, F16 -> dtype.widen(segment.get(JAVA_SHORT_UNALIGNED, index * 2));
      case F64 -> (float) segment.get(JAVA_DOUBLE_UNALIGNED, index * 8);
      case I64 -> segment.get(JAVA_LONG_UNALIGNED, index * 8);
      case I32 -> segment.get(JAVA_INT_UNALIGNED, index * 4);
      case U8 -> segment.get(java.lang.foreign.ValueLayout.JAVA_BYTE, index) & 0xFF;
    };
  }

  /** Sets the element at flat {@code index}; F32, BF16, F16 and F64 only. */
  public void set(long index, float value) {
    switch (dtype) {
      case F32 -> segment.set(JAVA_FLOAT_UNALIGNED, index * 4, value);
      case BF16, F16 -> segment.set(JAVA_SHORT_UNALIGNED, index * 2, dtype.narrow(value));
      case F64 -> segment.set(JAVA_DOUBLE_UNALIGNED, index * 8, value);
      default -> throw new IllegalStateException("cannot set a float in a " + dtype + " tensor");
    }
  }

  /** Integer element at flat {@code index} of an I64 or I32 tensor. */
  public long getLong(long index) {
    return switch (dtype) {
      case I64 -> segment.get(JAVA_LONG_UNALIGNED, index * 8);
      case I32 -> segment.get(JAVA_INT_UNALIGNED, index * 4);
      default -> throw new IllegalStateException(dtype + " holds no integers");
    };
  }

  public void fill(float value) {
    if (value == 0f) {
      segment.fill((byte) 0);
      return;
    }
    for (long i = 0; i < size; i++) {
      set(i, value);
    }
  }

  public void copyFrom(float[] values) {
    if (values.length != size) {
      throw new IllegalArgumentException(values.length + " values for " + size + " elements");
    }
    if (dtype == DType.F32) {
      MemorySegment.copy(values, 0, segment, JAVA_FLOAT, 0, values.length);
      return;
    }
    for (int i = 0; i < values.length; i++) {
      set(i, values[i]);
    }
  }

  /** Copies and converts {@code other}, which has as many elements. */
  public void copyFrom(Tensor other) {
    if (other.size != size) {
      throw new IllegalArgumentException(other.size + " elements for " + size);
    }
    if (other.dtype == dtype) {
      MemorySegment.copy(other.segment, 0, segment, 0, segment.byteSize());
      return;
    }
    for (long i = 0; i < size; i++) {
      set(i, other.get(i));
    }
  }

  /** All elements as float32. */
  public float[] toFloats() {
    float[] out = new float[Math.toIntExact(size)];
    for (int i = 0; i < out.length; i++) {
      out[i] = get(i);
    }
    return out;
  }

  @Override
  public String toString() {
    return dtype + Arrays.toString(shape);
  }
}
