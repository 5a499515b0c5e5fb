package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Memory;
import io.hydrahead.tensor.NativeMemory;
import io.hydrahead.tensor.Simd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.IntConsumer;

/**
 * What this machine can do at most, measured with the same team as the kernels: the yardstick of
 * every speed in the project. Each number is the best of several short rounds, since a shared
 * machine only ever makes rounds slower.
 *
 * @param fmaGflops float32 GFLOP/s of a loop of fused multiply-adds that never leaves the registers
 * @param readGBs GB/s (10⁹ bytes) of the fastest loop that only reads
 * @param copyGBs GB/s of a copy, counting what is read and what is written
 */
public record Ceilings(double fmaGflops, double readGBs, double copyGBs) {
  private static final long SLICE = 1 << 20;
  private static final long PATIENCE_NANOS = 3_000_000_000L;

  /**
   * Measures all three; takes a second or two.
   *
   * @param bytes memory to stream over, to be several times the last-level cache
   */
  public static Ceilings measure(ComputePool pool, long bytes) {
    try (Arena arena = Memory.HOST.arena()) {
      MemorySegment memory = arena.allocate(Math.max(2 * SLICE, bytes), 64);
      memory.fill((byte) 1);
      return new Ceilings(fmaGflops(pool, 100), readGBs(pool, memory, 8), copyGBs(pool, memory, 4));
    }
  }

  /**
   * Best of {@code rounds} of the register-only loop, GFLOP/s: of the team, or of one thread times
   * the threads, where others leave the team no moment together.
   */
  public static double fmaGflops(ComputePool pool, int rounds) {
    int steps = 100_000;
    double[] sinks = new double[8 * pool.threads()];
    Probe probe = Probe.select();
    IntConsumer task = i -> sinks[8 * i] = probe.fma(steps);
    double together = best(pool, pool.threads(), task, rounds);
    double alone = best(pool, 1, task, rounds);
    double flops = steps * probe.flopsPerStep() * pool.threads();
    return flops / Math.min(together, alone) / 1e9;
  }

  /**
   * Best of {@code rounds} of reading all of {@code memory}, GB/s: half of them as one sequential
   * stream a thread, half as four, since machines differ in what they like best.
   */
  public static double readGBs(ComputePool pool, MemorySegment memory, int rounds) {
    long start = NativeMemory.address(memory, memory.byteSize());
    int slices = Math.toIntExact(memory.byteSize() / SLICE);
    int[] sinks = new int[slices];
    int parts = pool.threads();
    Probe probe = Probe.select();
    IntConsumer one =
        t -> {
          for (int i = slices * t / parts; i < slices * (t + 1) / parts; i++) {
            sinks[i] = probe.sequential(start + i * SLICE, SLICE);
          }
        };
    IntConsumer four =
        t -> {
          for (int i = slices * t / parts; i < slices * (t + 1) / parts; i++) {
            sinks[i] = probe.fourStreams(start + i * SLICE, SLICE);
          }
        };
    int half = (rounds + 1) / 2;
    double seconds = Math.min(best(pool, parts, one, half), best(pool, parts, four, half));
    return slices * SLICE / seconds / 1e9;
  }

  /** Best of {@code rounds} of copying one half of {@code memory} to the other, GB/s. */
  public static double copyGBs(ComputePool pool, MemorySegment memory, int rounds) {
    long half = memory.byteSize() / 2 / SLICE * SLICE;
    int slices = Math.toIntExact(half / SLICE);
    IntConsumer task = i -> MemorySegment.copy(memory, i * SLICE, memory, half + i * SLICE, SLICE);
    return 2.0 * half / best(pool, slices, task, rounds) / 1e9;
  }

  /** Rounds that the pool runs without its workers do not count, for some seconds at most. */
  private static double best(ComputePool pool, int count, IntConsumer task, int rounds) {
    double best = Double.MAX_VALUE;
    long patience = System.nanoTime() + PATIENCE_NANOS;
    for (int r = 0; r < rounds; r++) {
      if (pool.crowded() && System.nanoTime() < patience) {
        r--;
      }
      long from = System.nanoTime();
      pool.run(count, task);
      best = Math.min(best, (System.nanoTime() - from) / 1e9);
    }
    return best;
  }

  /** The two inner loops, with or without the Vector API. */
  interface Probe {
    double flopsPerStep();

    /** Runs {@code steps} steps on independent sums and returns something that depends on them. */
    double fma(int steps);

    /** Reads {@code bytes} (a multiple of 16 KiB) from an address and returns something of it. */
    int sequential(long address, long bytes);

    /** The same as four sequential streams, a quarter each. */
    int fourStreams(long address, long bytes);

    static Probe select() {
      return Simd.available() ? new VectorProbe() : new ScalarProbe();
    }
  }
}
