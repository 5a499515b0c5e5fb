package io.hydrahead.tensor;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * A row-major view of memory: a segment of some {@link Memory}, an element type and a shape. Dense,
 * except for {@linkplain #columns column slices} of a matrix, whose rows lie further apart than
 * they are long. It owns nothing; the owner is the {@link Workspace}, store or arena that handed it
 * out.
 *
 * <p>Access by element is for set-up code and references, and slow on a device; kernels work on
 * {@link #segment()}.
 */
public final class Tensor {
  /** Alignment of every allocation in bytes: one cache line and one AVX-512 vector. */
  public static final long ALIGNMENT = 64;

  private final Memory memory;
  private final MemorySegment segment;
  private final DType dtype;
  private final long[] shape;
  private final long size;

  /** Elements from one row of a column slice to the next; 0 for a dense tensor. */
  private final long stride;

  Tensor(Memory memory, MemorySegment segment, DType dtype, long[] shape, long stride) {
    this.memory = memory;
    this.segment = segment;
    this.dtype = dtype;
    this.shape = shape;
    this.size = count(shape);
    this.stride = stride;
  }

  /**
   * A view over {@code segment} of the host's memory.
   *
   * @throws IllegalArgumentException if the segment's size is not that of the shape
   */
  public static Tensor of(MemorySegment segment, DType dtype, long... shape) {
    return of(Memory.HOST, segment, dtype, shape);
  }

  /**
   * A view over {@code segment} of {@code memory}.
   *
   * @throws IllegalArgumentException if the segment's size is not that of the shape
   */
  public static Tensor of(Memory memory, MemorySegment segment, DType dtype, long... shape) {
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
    return new Tensor(memory, segment, dtype, shape.clone(), 0);
  }

  /** Fresh float32 host memory from {@code arena}; NaN when {@link Poison} is on. */
  public static Tensor allocate(Arena arena, long... shape) {
    return allocate(arena, DType.F32, shape);
  }

  /** Fresh host memory from {@code arena}, 64-byte aligned. */
  public static Tensor allocate(Arena arena, DType dtype, long... shape) {
    return allocate(Memory.HOST, arena, dtype, shape);
  }

  /**
   * Fresh memory from {@code arena}, which must be one of {@code memory}'s: any content, NaN when
   * {@link Poison} is on.
   */
  public static Tensor allocate(Memory memory, Arena arena, DType dtype, long... shape) {
    long bytes = Math.multiplyExact(count(shape), (long) dtype.bytes());
    MemorySegment fresh = arena.allocate(Math.max(bytes, 1), ALIGNMENT).asSlice(0, bytes);
    if (Poison.on()) {
      memory.fill(fresh, Poison.BYTE);
    }
    return new Tensor(memory, fresh, dtype, shape.clone(), 0);
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

  /** Where the elements lie. */
  public Memory memory() {
    return memory;
  }

  /** From the first element to the last; of a column slice, with what lies between its rows. */
  public MemorySegment segment() {
    return segment;
  }

  /**
   * Address for kernels of the processor, after checking that the elements are dense, alive and in
   * the host's memory.
   *
   * @throws IllegalArgumentException if they are not
   */
  public long hostAddress() {
    if (!memory.host()) {
      throw new IllegalArgumentException(
          this + " lies in " + memory + ", this operation works in the host's memory");
    }
    if (!contiguous()) {
      throw new IllegalArgumentException(
          this + " is a column slice with rows " + stride + " apart, this operation takes none");
    }
    return NativeMemory.address(segment, size * dtype.bytes());
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

  /** Bytes of the elements themselves. */
  public long bytes() {
    return size * dtype.bytes();
  }

  /** Elements from one row (of the last dimension) to the next. */
  public long rowStride() {
    return stride != 0 ? stride : shape.length == 0 ? 1 : shape[shape.length - 1];
  }

  /** Whether the elements lie without gaps. */
  public boolean contiguous() {
    return stride == 0;
  }

  /** The same memory with another shape of the same size; of a column slice, only its own rows. */
  public Tensor view(long... newShape) {
    if (count(newShape) != size || stride != 0 && !endsWithRow(newShape)) {
      throw new IllegalArgumentException(
          "cannot view " + this + " as " + Arrays.toString(newShape));
    }
    return new Tensor(memory, segment, dtype, newShape.clone(), stride);
  }

  private boolean endsWithRow(long[] s) {
    return s.length > 0 && s[s.length - 1] == dim(-1);
  }

  /** Rows {@code from} to {@code from + rows − 1} of the first dimension. */
  public Tensor rows(long from, long rows) {
    if (from < 0 || rows < 0 || from + rows > shape[0]) {
      throw new IndexOutOfBoundsException(
          "rows " + from + "…" + (from + rows) + " of " + Arrays.toString(shape));
    }
    long[] s = shape.clone();
    s[0] = rows;
    long inner = shape[0] == 0 ? 0 : size / shape[0]; // elements of one index of dimension 0
    if (stride == 0) {
      long row = inner * dtype.bytes();
      return new Tensor(memory, segment.asSlice(from * row, rows * row), dtype, s, 0);
    }
    long lines = inner / dim(-1);
    return slice(from * lines * stride, rows * lines, s, stride);
  }

  /** Columns {@code from} to {@code from + count − 1} of a matrix [N, R], as [N, count]. */
  public Tensor columns(long from, long count) {
    if (shape.length != 2 || from < 0 || count < 0 || from + count > shape[1]) {
      throw new IndexOutOfBoundsException(
          "columns " + from + "…" + (from + count) + " of " + Arrays.toString(shape));
    }
    if (count == shape[1]) {
      return this;
    }
    long[] s = {shape[0], count};
    return slice(from, shape[0], s, shape[0] > 1 ? rowStride() : 0);
  }

  /** A slice of {@code lines} rows of the last of {@code s}, from element {@code at} on. */
  private Tensor slice(long at, long lines, long[] s, long newStride) {
    long width = s[s.length - 1];
    long extent = lines == 0 || width == 0 ? 0 : (lines - 1) * rowStride() + width;
    long bytes = dtype.bytes();
    return new Tensor(
        memory,
        segment.asSlice(extent == 0 ? 0 : at * bytes, extent * bytes),
        dtype,
        s,
        lines > 1 ? newStride : 0);
  }

  /** Byte offset of the element at flat {@code index}. */
  long at(long index) {
    if (stride == 0) {
      return index * dtype.bytes();
    }
    long width = shape[shape.length - 1];
    return (index / width * stride + index % width) * dtype.bytes();
  }

  /** Element at flat {@code index}, widened to float. */
  public float get(long index) {
    if (!memory.host()) {
      return element(index).get(0);
    }
    long at = at(index);
    return switch (dtype) {
      case F32 -> segment.get(JAVA_FLOAT_UNALIGNED, at);
      case BF16, F16 -> dtype.widen(segment.get(JAVA_SHORT_UNALIGNED, at));
      case F64 -> (float) segment.get(JAVA_DOUBLE_UNALIGNED, at);
      case I64 -> segment.get(JAVA_LONG_UNALIGNED, at);
      case I32 -> segment.get(JAVA_INT_UNALIGNED, at);
      case U8 -> segment.get(JAVA_BYTE, at) & 0xFF;
    };
  }

  /** Sets the element at flat {@code index}; F32, BF16, F16 and F64 only. */
  public void set(long index, float value) {
    if (!memory.host()) {
      Tensor one = hostTensor(1);
      one.set(0, value);
      memory.fromHost(one.segment, segment.asSlice(at(index), dtype.bytes()));
      return;
    }
    long at = at(index);
    switch (dtype) {
      case F32 -> segment.set(JAVA_FLOAT_UNALIGNED, at, value);
      case BF16, F16 -> segment.set(JAVA_SHORT_UNALIGNED, at, dtype.narrow(value));
      case F64 -> segment.set(JAVA_DOUBLE_UNALIGNED, at, value);
      default -> throw new IllegalStateException("cannot set a float in a " + dtype + " tensor");
    }
  }

  /** Integer element at flat {@code index} of an I64 or I32 tensor. */
  public long getLong(long index) {
    if (!memory.host()) {
      return element(index).getLong(0);
    }
    return switch (dtype) {
      case I64 -> segment.get(JAVA_LONG_UNALIGNED, at(index));
      case I32 -> segment.get(JAVA_INT_UNALIGNED, at(index));
      default -> throw new IllegalStateException(dtype + " holds no integers");
    };
  }

  /** Like {@link #getLong}, as an int. */
  public int getInt(long index) {
    return Math.toIntExact(getLong(index));
  }

  /** Sets the element at flat {@code index} of an I32 tensor. */
  public void setInt(long index, int value) {
    require(DType.I32);
    if (memory.host()) {
      segment.set(JAVA_INT_UNALIGNED, at(index), value);
    } else {
      Tensor one = hostTensor(1);
      one.setInt(0, value);
      memory.fromHost(one.segment, segment.asSlice(at(index), 4));
    }
  }

  /** Element at flat {@code index} of an F64 tensor. */
  public double getDouble(long index) {
    require(DType.F64);
    return memory.host()
        ? segment.get(JAVA_DOUBLE_UNALIGNED, at(index))
        : element(index).getDouble(0);
  }

  /** Sets the element at flat {@code index} of an F64 tensor. */
  public void setDouble(long index, double value) {
    require(DType.F64);
    if (memory.host()) {
      segment.set(JAVA_DOUBLE_UNALIGNED, at(index), value);
    } else {
      Tensor one = hostTensor(1);
      one.setDouble(0, value);
      memory.fromHost(one.segment, segment.asSlice(at(index), 8));
    }
  }

  private void require(DType wanted) {
    if (dtype != wanted) {
      throw new IllegalStateException(this + " is not " + wanted);
    }
  }

  /** A host copy of one element. */
  private Tensor element(long index) {
    Tensor one = hostTensor(1);
    memory.toHost(segment.asSlice(at(index), dtype.bytes()), one.segment);
    return one;
  }

  /** Fresh host memory of this type, which the garbage collector frees. */
  Tensor hostTensor(long... s) {
    long bytes = count(s) * dtype.bytes();
    MemorySegment fresh = Arena.ofAuto().allocate(Math.max(bytes, 1), ALIGNMENT).asSlice(0, bytes);
    return new Tensor(Memory.HOST, fresh, dtype, s, 0);
  }

  /** This tensor itself where it is dense host memory, else a copy there. */
  public Tensor onHost() {
    if (memory.host() && contiguous()) {
      return this;
    }
    Tensor copy = hostTensor(shape());
    copy.copyFrom(this);
    return copy;
  }

  /** Sets every element. */
  public void fill(float value) {
    if (value == 0f && contiguous()) {
      memory.fill(segment, (byte) 0);
      return;
    }
    if (!memory.host()) {
      Tensor values = hostTensor(shape());
      values.fill(value);
      copyFrom(values);
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
    if (!memory.host()) {
      Tensor host = hostTensor(shape());
      host.copyFrom(values);
      copyFrom(host);
      return;
    }
    copyFrom(of(MemorySegment.ofArray(values), DType.F32, shape));
  }

  /** Copies {@code count} values from {@code from} on into the first elements of an I32 tensor. */
  public void copyFrom(int[] values, int from, int count) {
    require(DType.I32);
    if (!memory.host() || !contiguous()) {
      Tensor host = hostTensor(count);
      host.copyFrom(values, from, count);
      view(size).rows(0, count).copyFrom(host);
      return;
    }
    MemorySegment.copy(values, from, segment, JAVA_INT_UNALIGNED, 0, count);
  }

  /** Copies and converts {@code other}, which has as many elements, from wherever it lies. */
  public void copyFrom(Tensor other) {
    TensorCopy.copy(other, this);
  }

  /** Repeats the elements of {@code block}, of the same type, until all are filled. */
  public void repeat(Tensor block) {
    Tensor flat = view(size);
    long done = Math.min(block.size, size);
    flat.rows(0, done).copyFrom(block.view(block.size).rows(0, done));
    while (done < size) { // by doubling: few copies, also from a device to itself
      long n = Math.min(done, size - done);
      flat.rows(done, n).copyFrom(flat.rows(0, n));
      done += n;
    }
  }

  /** All elements as float32. */
  public float[] toFloats() {
    float[] out = new float[Math.toIntExact(size)];
    of(MemorySegment.ofArray(out), DType.F32, shape).copyFrom(memory.host() ? this : onHost());
    return out;
  }

  @Override
  public String toString() {
    return dtype + Arrays.toString(shape);
  }
}
