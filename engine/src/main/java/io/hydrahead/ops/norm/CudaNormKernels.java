package io.hydrahead.ops.norm;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaModule;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaVariants;

/** Launch sites of {@code norm.cu}. */
record CudaNormKernels(
    LaunchArguments rms,
    LaunchArguments rmsAdd,
    LaunchArguments rmsBackward,
    LaunchArguments rmsWeight,
    LaunchArguments l2,
    LaunchArguments l2Backward) {
  /** Threads of a block. */
  static final int BLOCK = 256;

  /** Blocks a multiprocessor; each walks over rows. */
  static final int BLOCKS = 16;

  static CudaVariants<CudaNormKernels> variants(CudaDevice device) {
    return new CudaVariants<>(
        device, CudaNormKernels.class, "norm.cu", "WIDTH", CudaNormKernels::of);
  }

  private static CudaNormKernels of(CudaModule m) {
    return new CudaNormKernels(
        m.kernel("rms_norm_forward").arguments().overlapInSteps(),
        m.kernel("rms_norm_add_forward").arguments().overlapInSteps(),
        m.kernel("rms_norm_backward").arguments(),
        m.kernel("rms_norm_weight").arguments(),
        m.kernel("l2_norm_forward").arguments(),
        m.kernel("l2_norm_backward").arguments());
  }
}
