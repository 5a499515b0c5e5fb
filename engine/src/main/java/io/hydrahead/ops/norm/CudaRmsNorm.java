package io.hydrahead.ops.norm;

import static io.hydrahead.ops.CudaRows.aligned;
import static io.hydrahead.ops.CudaRows.stride;
import static io.hydrahead.ops.norm.CudaNormKernels.BLOCK;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.ops.CudaRows;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.CudaVariants;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** {@link RmsNorm} on a GPU, in float32 or bf16. Rows may be column slices. */
public final class CudaRmsNorm implements RmsNorm {
  /** Longest row: the backward pass keeps the sums of dw in shared memory. */
  private static final int LONGEST = 11_264;

  /** Blocks a multiprocessor in the backward pass: each leaves one partial dw. */
  private static final int BACKWARD_BLOCKS = 2;

  private static final int REDUCE_BLOCK = 1024;
  private static final int REDUCED = 32; // elements of a reducing block

  private final CudaVariants<CudaNormKernels> variants;
  private final CudaScratch scratch;
  private final int multiprocessors;

  public CudaRmsNorm(CudaDevice device, CudaScratch scratch) {
    variants = CudaNormKernels.variants(device);
    this.scratch = scratch;
    multiprocessors = device.multiprocessors();
  }

  private CudaNormKernels kernels(int c, Tensor x, Tensor w, boolean aligned) {
    if (c > LONGEST) {
      throw new IllegalArgumentException("rows of " + c + " elements, at most " + LONGEST);
    }
    boolean vectors = c % CudaRows.vector(x.dtype()) == 0 && aligned && aligned(w);
    return variants.get(c, x.dtype(), w.dtype(), vectors);
  }

  private int blocks(int rows, int each) {
    return Math.min(rows, each * multiprocessors);
  }

  @Override
  public void forward(Tensor x, Tensor w, float eps, Tensor y, Tensor rstd) {
    int c = NormShape.check(x, w, y, rstd);
    int n = TensorChecks.rows(x);
    kernels(c, x, w, aligned(x, c) && aligned(y, c))
        .rms()
        .begin()
        .integer(n)
        .pointer(x)
        .wide(stride(x, c))
        .pointer(w)
        .real(eps)
        .pointer(y)
        .wide(stride(y, c))
        .pointerOrNull(rstd)
        .launch(blocks(n, CudaNormKernels.BLOCKS), BLOCK, 0);
  }

  @Override
  public void addForward(
      Tensor x, Tensor a, Tensor w, float eps, Tensor sum, Tensor y, Tensor rstd) {
    int c = NormShape.check(x, w, y, rstd);
    NormShape.check(x, w, a, null);
    NormShape.check(x, w, sum, null);
    int n = TensorChecks.rows(x);
    boolean aligned = aligned(x, c) && aligned(a, c) && aligned(sum, c) && aligned(y, c);
    kernels(c, x, w, aligned)
        .rmsAdd()
        .begin()
        .integer(n)
        .pointer(x)
        .wide(stride(x, c))
        .pointer(a)
        .wide(stride(a, c))
        .pointer(w)
        .real(eps)
        .pointer(sum)
        .wide(stride(sum, c))
        .pointer(y)
        .wide(stride(y, c))
        .pointerOrNull(rstd)
        .launch(blocks(n, CudaNormKernels.BLOCKS), BLOCK, 0);
  }

  @Override
  public void backward(
      Tensor x, Tensor w, Tensor rstd, Tensor dy, Tensor dx, boolean accumulate, Tensor dw) {
    int c = NormShape.checkBackward(x, w, rstd, dy, dx, dw);
    int n = TensorChecks.rows(x);
    int slices = blocks(n, BACKWARD_BLOCKS);
    long partials = scratch.bytes(4L * slices * c);
    CudaNormKernels k = kernels(c, x, w, aligned(x, c) && aligned(dy, c) && aligned(dx, c));
    k.rmsBackward()
        .begin()
        .integer(n)
        .pointer(x)
        .wide(stride(x, c))
        .pointer(w)
        .pointer(rstd)
        .pointer(dy)
        .wide(stride(dy, c))
        .pointer(dx)
        .wide(stride(dx, c))
        .integer(accumulate ? 1 : 0)
        .address(partials)
        .launch(slices, BLOCK, 0);
    k.rmsWeight()
        .begin()
        .address(partials)
        .integer(slices)
        .pointer(dw)
        .launch((c + REDUCED - 1) / REDUCED, REDUCE_BLOCK, 0);
  }
}
