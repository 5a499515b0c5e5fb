package io.hydrahead.ops.norm;

import static io.hydrahead.cuda.CudaRows.aligned;
import static io.hydrahead.ops.norm.CudaNormKernels.BLOCK;
import static io.hydrahead.ops.norm.CudaNormKernels.BLOCKS;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.ops.CudaVariants;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** {@link L2Norm} on a GPU, in float32 or bf16. Rows may be column slices. */
public final class CudaL2Norm implements L2Norm {
  private final CudaVariants<CudaNormKernels> variants;
  private final CudaDevice device;

  public CudaL2Norm(CudaDevice device) {
    variants = CudaNormKernels.variants(device);
    this.device = device;
  }

  private CudaNormKernels kernels(int d, Tensor x, boolean aligned) {
    return variants.get(d, x.dtype(), d % CudaRows.vector(x.dtype()) == 0 && aligned);
  }

  @Override
  public void forward(Tensor x, float eps, Tensor y, Tensor rnorm) {
    int d = NormShape.checkL2(x, y, rnorm);
    int n = TensorChecks.rows(x);
    kernels(d, x, aligned(x, d) && aligned(y, d))
        .l2()
        .begin()
        .integer(n)
        .rows(x, d)
        .real(eps)
        .integer(NormShape.copies(x, y))
        .rows(y, d)
        .pointerOrNull(rnorm)
        .launch(device.blocks(n, BLOCKS), BLOCK, 0);
  }

  @Override
  public void backward(Tensor y, Tensor rnorm, Tensor dy, Tensor dx) {
    int d = NormShape.checkL2Backward(y, rnorm, dy, dx);
    int n = TensorChecks.rows(dx);
    kernels(d, y, aligned(y, d) && aligned(dy, d) && aligned(dx, d))
        .l2Backward()
        .begin()
        .integer(n)
        .integer(NormShape.copies(dx, y))
        .rows(y, d)
        .pointer(rnorm)
        .rows(dy, d)
        .rows(dx, d)
        .launch(device.blocks(n, BLOCKS), BLOCK, 0);
  }
}
