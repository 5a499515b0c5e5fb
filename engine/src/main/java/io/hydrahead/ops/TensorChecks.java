package io.hydrahead.ops;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** Argument checks that the rooms share; they allocate only when they fail. */
public final class TensorChecks {
  private TensorChecks() {}

  /** Requires a float32 tensor of {@code size} elements. */
  public static void floats(String name, Tensor t, long size) {
    if (t.dtype() != DType.F32 || t.size() != size) {
      throw new IllegalArgumentException(name + " must be " + size + " float32 elements, not " + t);
    }
  }

  /** Requires a tensor of {@code size} elements of a type that activations have: F32 or BF16. */
  public static void activations(String name, Tensor t, long size) {
    boolean known = t.dtype() == DType.F32 || t.dtype() == DType.BF16;
    if (!known || t.size() != size) {
      throw new IllegalArgumentException(
          name + " must be " + size + " elements of F32 or BF16, not " + t);
    }
  }

  /** Requires {@code size} elements of the same type as {@code like}. */
  public static void same(String name, Tensor t, long size, Tensor like) {
    if (t.dtype() != like.dtype() || t.size() != size) {
      throw new IllegalArgumentException(
          name + " must be " + size + " elements of " + like.dtype() + ", not " + t);
    }
  }

  /** Like {@link #floats}, but null will do. */
  public static void floatsOrNull(String name, Tensor t, long size) {
    if (t != null) {
      floats(name, t, size);
    }
  }

  /** Requires {@code size} elements of F32, BF16 or F16. */
  public static void weights(String name, Tensor t, long size) {
    boolean known = t.dtype() == DType.F32 || t.dtype() == DType.BF16 || t.dtype() == DType.F16;
    if (!known || t.size() != size) {
      throw new IllegalArgumentException(
          name + " must be " + size + " elements of F32, BF16 or F16, not " + t);
    }
  }

  /** Number of rows when the last dimension of {@code t} is the row length. */
  public static int rows(Tensor t) {
    long length = t.dim(-1);
    return length == 0 ? 0 : Math.toIntExact(t.size() / length);
  }

  /** Requires {@code size} I32 elements. */
  public static void integers(String name, Tensor t, long size) {
    if (t.dtype() != DType.I32 || t.size() != size) {
      throw new IllegalArgumentException(name + " must be " + size + " I32 elements, not " + t);
    }
  }

  /** Requires one element of {@code dtype}. */
  public static void scalar(String name, Tensor t, DType dtype) {
    if (t.dtype() != dtype || t.size() != 1) {
      throw new IllegalArgumentException(name + " must be one element of " + dtype + ", not " + t);
    }
  }

  /**
   * Whether {@code position} holds one for every row, and not that of the first alone.
   *
   * @throws IllegalArgumentException if it holds neither
   */
  public static boolean eachHasPosition(Tensor position, long rows) {
    if (position.dtype() != DType.I32 || position.size() != 1 && position.size() != rows) {
      throw new IllegalArgumentException(position + " are not the positions of " + rows + " rows");
    }
    return position.size() > 1;
  }
}
