package io.hydrahead.ops;

import io.hydrahead.tensor.DType;

/**
 * How the CUDA backend runs.
 *
 * @param device number that the driver gives the GPU
 * @param activations F32 or BF16: type of activations and of the matrices they are multiplied with
 * @param deterministic whether a run must give the same bits again
 * @param threads of the host's team, the calling thread included, for what is left to do there
 */
public record CudaOptions(int device, DType activations, boolean deterministic, int threads) {
  public CudaOptions {
    if (activations != DType.F32 && activations != DType.BF16) {
      throw new IllegalArgumentException(
          "activations on a GPU are F32 or BF16, not " + activations);
    }
    if (threads < 1) {
      throw new IllegalArgumentException("threads must be at least 1, not " + threads);
    }
  }

  /** GPU 0 in bf16, not deterministic. */
  public static CudaOptions defaults() {
    return new CudaOptions(0, DType.BF16, false, Runtime.getRuntime().availableProcessors());
  }
}
