package io.hydrahead.cli;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaMemory;
import io.hydrahead.cuda.CudaTimer;
import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;

/**
 * What a GPU can do at best, measured in the same run as the figures that are held against it.
 *
 * @param gemmTflops a product of three square matrices of {@value #SIDE} in the operations' type
 * @param copyGBs a copy within the device's memory, reading and writing counted
 * @param peakTflops of the bf16 tensor cores by the data sheet, or 0 where it is not known
 */
record DeviceCeilings(double gemmTflops, double copyGBs, double peakTflops) {
  private static final int SIDE = 8192;
  private static final long COPIED = 2L << 30;
  private static final int RUNS = 7;

  /** TFLOP/s of dense bf16 on H100 and H200 (SXM), as the vendor states them. */
  private static final double HOPPER = 989;

  static DeviceCeilings measure(Ops ops) {
    CudaDevice device = device(ops);
    return new DeviceCeilings(
        gemm(ops, device),
        copy(ops, device),
        device.hopper() && ops.activations() == DType.BF16 ? HOPPER : 0);
  }

  /** The device that {@code ops} work on. */
  static CudaDevice device(Ops ops) {
    return ((CudaMemory) ops.memory()).device();
  }

  private static double gemm(Ops ops, CudaDevice device) {
    try (Workspace w = new Workspace(ops.memory())) {
      DType type = ops.activations();
      Tensor a = DeviceFigures.random(w, type, SIDE, SIDE);
      Tensor b = DeviceFigures.random(w, type, SIDE, SIDE);
      Tensor c = w.allocate(type, SIDE, SIDE);
      double ms = milliseconds(device, RUNS, () -> ops.linear().forward(a, b, c, false));
      return 2.0 * SIDE * SIDE * SIDE / ms / 1e9;
    }
  }

  private static double copy(Ops ops, CudaDevice device) {
    try (Workspace w = new Workspace(ops.memory())) {
      Tensor from = w.allocate(DType.U8, COPIED);
      Tensor to = w.allocate(DType.U8, COPIED);
      from.fill(0f);
      double ms = milliseconds(device, RUNS, () -> to.copyFrom(from));
      return 2.0 * COPIED / ms / 1e6;
    }
  }

  /** A run takes so many milliseconds at least: the host's share of a launch is then hidden. */
  private static final double SHORTEST_RUN = 2;

  private static final int MOST_TIMES = 200;

  /**
   * Median of some runs, each the mean of as many times as fill it, after two that do not count.
   */
  static double milliseconds(CudaDevice device, int runs, Runnable work) {
    work.run();
    double[] ms = new double[runs];
    try (CudaTimer timer = new CudaTimer(device)) {
      timer.start();
      work.run();
      int times = Math.clamp((long) Math.ceil(SHORTEST_RUN / timer.stop()), 1, MOST_TIMES);
      for (int i = 0; i < runs; i++) {
        timer.start();
        for (int n = 0; n < times; n++) {
          work.run();
        }
        ms[i] = timer.stop() / times;
      }
    }
    return Median.of(ms, runs);
  }
}
