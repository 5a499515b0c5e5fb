package io.hydrahead.cuda;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** Copies on a device that change the element type, to the nearest value, ties to even. */
public final class CudaConvert {
  private static final int TYPES = DType.values().length;
  private static final int THREADS = 256;

  private final CudaDevice device;
  private final LaunchArguments[] launches = new LaunchArguments[TYPES * TYPES];

  CudaConvert(CudaDevice device) {
    this.device = device;
  }

  /** Whether {@link #copy} knows the two types. */
  public static boolean knows(DType from, DType to) {
    return from != to && isFloat(from) && isFloat(to);
  }

  private static boolean isFloat(DType t) {
    return t == DType.F32 || t == DType.BF16 || t == DType.F16;
  }

  /**
   * to = from. Both lie on the device, have the same shape and may be column slices.
   *
   * @throws IllegalArgumentException if the types are the same or are no floats of 16 or 32 bits
   */
  public void copy(Tensor from, Tensor to) {
    if (!knows(from.dtype(), to.dtype()) || from.size() != to.size()) {
      throw new IllegalArgumentException("cannot convert " + from + " to " + to);
    }
    if (from.size() == 0) {
      return;
    }
    boolean dense = from.contiguous() && to.contiguous();
    if (!dense && from.dim(-1) != to.dim(-1)) {
      throw new IllegalArgumentException("cannot convert " + from + " to " + to);
    }
    if (!dense || from.rank() > 1) {
      launch(from, from.rowStride(), to, to.rowStride(), from.size() / from.dim(-1), from.dim(-1));
    } else { // a vector may be longer than an int
      long wide = from.size() % 4096 == 0 ? 4096 : from.size();
      launch(from, wide, to, wide, from.size() / wide, wide);
    }
  }

  private void launch(
      Tensor from, long fromStride, Tensor to, long toStride, long rows, long columns) {
    long threads = rows * Math.ceilDiv(columns, 8);
    arguments(from.dtype(), to.dtype())
        .begin()
        .pointer(from)
        .wide(fromStride)
        .pointer(to)
        .wide(toStride)
        .wide(rows)
        .integer(Math.toIntExact(columns))
        .launch(Math.toIntExact(Math.ceilDiv(threads, THREADS)), THREADS, 0);
  }

  private LaunchArguments arguments(DType from, DType to) {
    int at = from.ordinal() * TYPES + to.ordinal();
    if (launches[at] == null) {
      launches[at] =
          device
              .module(CudaConvert.class, "convert.cu", "-DFROM_" + from, "-DTO_" + to)
              .kernel("convert")
              .arguments();
    }
    return launches[at];
  }
}
