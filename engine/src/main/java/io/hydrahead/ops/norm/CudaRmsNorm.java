package io.hydrahead.ops.norm;

import static io.hydrahead.cuda.CudaRows.aligned;
import static io.hydrahead.ops.norm.CudaNormKernels.BLOCK;
import static io.hydrahead.ops.norm.CudaNormKernels.BLOCKS;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaRows;
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
  private final CudaDevice device;

  public CudaRmsNorm(CudaDevice device, CudaScratch scratch) {
    variants = CudaNormKernels.variants(device);
    this.scratch = scratch;
    this.device = device;
  }

  private CudaNormKernels kernels(int c, Tensor x, Tensor w, boolean aligned) {
    if (c > LONGEST) {
      throw new IllegalArgumentException("rows of " + c + " elements, at most " + LONGEST);
    }
    boolean vectors = c % CudaRows.vector(x.dtype()) == 0 && aligned && aligned(w);
    return variants.get(c, x.dtype(), w.dtype(), vectors);
  }

  @Override
  public void forward(Tensor x, Tensor w, float eps, Tensor y, Tensor rstd) {
    int c = NormShape.check(x, w, y, rstd);
    int n = TensorChecks.rows(x);
    kernels(c, x, w, aligned(x, c) && aligned(y, c))
        .rms()
        .begin()
        .integer(n)
        .rows(x, c)
        .pointer(w)
        .real(eps)
        .rows(y, c)
        .pointerOrNull(rstd)
        .launch(device.blocks(n, BLOCKS), BLOCK, 0);
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
        .rows(x, c)
        .rows(a, c)
        .pointer(w)
        .real(eps)
        .rows(sum, c)
        .rows(y, c)
        .pointerOrNull(rstd)
        .launch(device.blocks(n, BLOCKS), BLOCK, 0);
  }

  @Override
  public void backward(
      Tensor x, Tensor w, Tensor rstd, Tensor dy, Tensor dx, boolean accumulate, Tensor dw) {
    int c = NormShape.checkBackward(x, w, rstd, dy, dx, dw);
    int n = TensorChecks.rows(x);
    int slices = device.blocks(n, BACKWARD_BLOCKS);
    long partials = scratch.bytes(4L * slices * c);
    CudaNormKernels k = kernels(c, x, w, aligned(x, c) && aligned(dy, c) && aligned(dx, c));
    k.rmsBackward()
        .begin()
        .integer(n)
        .rows(x, c)
        .pointer(w)
        .pointer(rstd)
        .rows(dy, c)
        .rows(dx, c)
        .integer(accumulate ? 1 : 0)
        .address(partials)
        .launch(slices, BLOCK, 0);
    k.rmsWeight()
        .begin()
        .address(partials)
        .integer(slices)
        .pointer(dw)
        .launch(Math.ceilDiv(c, REDUCED), REDUCE_BLOCK, 0);
  }
}
