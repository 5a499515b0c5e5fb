package io.hydrahead.ops.rotary;

import static io.hydrahead.cuda.CudaRows.aligned;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaVariants;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.ops.headprep.HeadPrep;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** {@link Rotary} on a GPU, in float32 or bf16; its kernels are among those of head preparation. */
public final class CudaRotary implements Rotary {
  private static final int BLOCK = 256;
  private static final int BLOCKS = 16; // a multiprocessor

  private record Sites(LaunchArguments apply, LaunchArguments angles) {}

  private final CudaVariants<Sites> variants;
  private final CudaDevice device;

  public CudaRotary(CudaDevice device) {
    variants =
        new CudaVariants<>(
            device,
            HeadPrep.class,
            "headprep.cu",
            "HEAD_DIM",
            m -> new Sites(m.kernel("rotary").arguments(), m.kernel("rotary_angles").arguments()));
    this.device = device;
  }

  @Override
  public void apply(
      Tensor x, int tokens, int heads, int headDim, Tensor cos, Tensor sin, boolean inverse) {
    int n = RotaryShape.check(x, tokens, heads, headDim, cos, sin);
    long width = (long) heads * headDim;
    boolean vectors = headDim % (2 * CudaRows.vector(x.dtype())) == 0;
    vectors &= aligned(x, width) && aligned(cos) && aligned(sin);
    variants
        .get(headDim, x.dtype(), vectors)
        .apply
        .begin()
        .integer(n)
        .integer(tokens)
        .integer(heads)
        .rows(x, width)
        .pointer(cos)
        .pointer(sin)
        .real(inverse ? -1f : 1f)
        .launch(device.blocks((long) n * heads, BLOCKS), BLOCK, 0);
  }

  @Override
  public void angles(Tensor position, Tensor frequencies, double scaling, Tensor cos, Tensor sin) {
    int half = Math.toIntExact(frequencies.size());
    int size = Math.toIntExact(cos.size());
    variants
        .get(2 * half, DType.F32, false)
        .angles
        .begin()
        .integer(half == 0 ? 0 : size / half)
        .integer(half)
        .pointer(position)
        .integer(TensorChecks.eachHasPosition(position, half == 0 ? 0 : size / half) ? 1 : 0)
        .pointer(frequencies)
        .wide(Double.doubleToRawLongBits(scaling))
        .pointer(cos)
        .pointer(sin)
        .launch(device.blocks(Math.ceilDiv(size, BLOCK), BLOCKS), BLOCK, 0);
  }
}
