package io.hydrahead.cuda;

import java.util.List;

/** Turns CUDA C++ into machine code of one GPU architecture. */
interface KernelCompiler {
  /** Name and release, part of the key under which results are cached. */
  String version();

  /**
   * Compiles {@code source}.
   *
   * @param options such as {@code --gpu-architecture=sm_90a} and {@code -DBF16=1}
   * @throws CudaUnavailableException with file, line and message of the first errors
   */
  byte[] compile(KernelSource source, List<String> options);
}
