package io.hydrahead.bench;

import io.hydrahead.ops.gemm.Ceilings;
import io.hydrahead.ops.gemm.Gemm;
import io.hydrahead.ops.gemm.Gemms;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Matrix products at the shapes of large squares, of Qwen3-0.6B and of the bundled model's
 * training. {@code gflop} is GFLOP/s; {@link #peak} is the yardstick.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class GemmBench extends FullSpeed {
  /** Letters say what is transposed, then m, n, k. */
  @Param({
    "NT 512 512 512", "NT 1024 1024 1024", "NT 2048 2048 2048", "NT 4096 4096 4096",
    "NT 1024 3072 1024", "NN 1024 1024 3072", "NT 4096 384 128", "NT 4096 128 512",
    "NN 8192 128 384", "TN 128 384 8192"
  })
  String shape;

  @Param({"java", "onednn"})
  String backend;

  private ComputePool pool;
  private Arena arena;
  private Gemm gemm;
  private boolean transA;
  private boolean transB;
  private int m;
  private int n;
  private int k;
  private Tensor a;
  private Tensor b;
  private Tensor c;

  /** Work done, which JMH divides by time. */
  @AuxCounters
  @State(Scope.Thread)
  public static class Work {
    public double gflop;
  }

  @Setup
  public void open() {
    pool = new ComputePool(Runtime.getRuntime().availableProcessors());
    gemm = Gemms.select(backend, pool);
    String[] parts = shape.split(" ");
    transA = parts[0].charAt(0) == 'T';
    transB = parts[0].charAt(1) == 'T';
    m = Integer.parseInt(parts[1]);
    n = Integer.parseInt(parts[2]);
    k = Integer.parseInt(parts[3]);
    arena = Arena.ofShared();
    a = Tensor.allocate(arena, m, k);
    b = Tensor.allocate(arena, k, n);
    c = Tensor.allocate(arena, m, n);
    a.fill(0.5f);
    b.fill(1.5f);
  }

  @TearDown
  public void close() {
    pool.close();
    arena.close();
  }

  @Benchmark
  public Tensor multiply(Work work) {
    gemm.multiply(
        transA,
        transB,
        m,
        n,
        k,
        1f,
        a.segment(),
        transA ? m : k,
        b.segment(),
        transB ? k : n,
        0f,
        c.segment(),
        n);
    work.gflop += 2.0 * m * n * k / 1e9;
    return c;
  }

  /** Register-only multiply-adds; its {@code gflop} is the ceiling of the others. */
  @Benchmark
  public double peak(Work work) {
    long from = System.nanoTime();
    double gflops = Ceilings.fmaGflops(pool, 1);
    work.gflop += gflops * (System.nanoTime() - from) / 1e9;
    return gflops;
  }
}
