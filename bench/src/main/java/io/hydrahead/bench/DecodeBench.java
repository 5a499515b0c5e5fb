package io.hydrahead.bench;

import io.hydrahead.ops.gemm.Ceilings;
import io.hydrahead.ops.gemm.CpuLinear;
import io.hydrahead.ops.gemm.Gemms;
import io.hydrahead.ops.gemm.Linear;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.DType;
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
 * Matrix–vector products over 1 GiB of bfloat16 weights, as decoding one token at a time does,
 * beside a loop that only reads the same memory. {@code gigabytes} is GB/s.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class DecodeBench extends FullSpeed {
  private static final long BYTES = 1L << 30;

  /** Rows and columns of one weight matrix: projections of Qwen3-0.6B. */
  @Param({"2048 1024", "1024 2048", "3072 1024", "1024 3072"})
  String shape;

  private ComputePool pool;
  private Arena arena;
  private Linear linear;
  private Tensor all;
  private Tensor[] weights;
  private Tensor x;
  private Tensor y;

  /** Bytes of weights read, which JMH divides by time. */
  @AuxCounters
  @State(Scope.Thread)
  public static class Work {
    public double gigabytes;
  }

  @Setup
  public void open() {
    pool = new ComputePool(Runtime.getRuntime().availableProcessors());
    linear = new CpuLinear(Gemms.select("auto", pool), pool, false);
    long rows = Long.parseLong(shape.split(" ")[0]);
    long columns = Long.parseLong(shape.split(" ")[1]);
    int layers = Math.toIntExact(BYTES / (2 * rows * columns));
    arena = Arena.ofShared();
    all = Tensor.allocate(arena, DType.BF16, layers * rows, columns);
    all.segment().fill((byte) 0x3C);
    weights = new Tensor[layers];
    for (int i = 0; i < layers; i++) {
      weights[i] = all.rows(i * rows, rows);
    }
    x = Tensor.allocate(arena, 1, columns);
    y = Tensor.allocate(arena, 1, rows);
    x.fill(1f);
  }

  @TearDown
  public void close() {
    pool.close();
    arena.close();
  }

  @Benchmark
  public Tensor decode(Work work) {
    for (Tensor w : weights) {
      linear.forward(x, w, y, false);
    }
    work.gigabytes += all.bytes() / 1e9;
    return y;
  }

  @Benchmark
  public double readOnly(Work work) {
    long from = System.nanoTime();
    double rate = Ceilings.readGBs(pool, all.segment(), 1);
    work.gigabytes += rate * (System.nanoTime() - from) / 1e9;
    return rate;
  }
}
