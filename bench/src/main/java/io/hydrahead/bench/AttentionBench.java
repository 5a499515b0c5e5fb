package io.hydrahead.bench;

import io.hydrahead.ops.attention.CausalAttention;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.ops.attention.CpuCausalAttention;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
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
 * Causal attention at training shapes, and one query row against a long cache. {@code gflop} is
 * GFLOP/s without what the mask hides (compare {@link GemmBench#peak}), {@code gigabytes} is GB/s
 * of keys and values.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 4, time = 1)
@Measurement(iterations = 5, time = 1)
public class AttentionBench extends FullSpeed {
  /** Batch, tokens, query heads, KV heads, head dim. */
  @Param({"8 512 8 8 32", "32 128 8 8 32", "1 4096 8 8 32", "2 1024 16 8 128"})
  String shape;

  private ComputePool pool;
  private Arena arena;
  private CausalAttention op;
  private Shape training;
  private Shape decoding;
  private int[] kvOf;
  private int keys;
  private Tensor keyCache;
  private Tensor valueCache;
  private Tensor q;
  private Tensor k;
  private Tensor v;
  private Tensor o;
  private Tensor lse;
  private Tensor dO;
  private Tensor dq;
  private Tensor dk;
  private Tensor dv;

  /** Work done, which JMH divides by time. */
  @AuxCounters
  @State(Scope.Thread)
  public static class Work {
    public double gflop;
    public double gigabytes;
  }

  @Setup
  public void open() {
    pool = new ComputePool(Runtime.getRuntime().availableProcessors());
    op = new CpuCausalAttention(pool);
    int[] n = java.util.Arrays.stream(shape.split(" ")).mapToInt(Integer::parseInt).toArray();
    int rows = n[0] * n[1];
    int heads = n[2];
    int kvHeads = n[3];
    int d = n[4];
    float scale = (float) (1 / Math.sqrt(d));
    training = new Shape(n[0], n[1], heads, kvHeads, d, scale);
    decoding = new Shape(1, 1, heads, kvHeads, d, scale);
    kvOf = new int[heads];
    java.util.Arrays.setAll(kvOf, i -> i * kvHeads / heads);
    keys = rows; // all rows as the cache of one sequence
    arena = Arena.ofShared();
    Random random = new Random(1);
    q = normal(random, rows, (long) heads * d);
    k = normal(random, rows, (long) kvHeads * d);
    v = normal(random, rows, (long) kvHeads * d);
    keyCache = k.view(kvHeads, keys, d);
    valueCache = v.view(kvHeads, keys, d);
    dO = normal(random, rows, (long) heads * d);
    o = Tensor.allocate(arena, q.shape());
    dq = Tensor.allocate(arena, q.shape());
    dk = Tensor.allocate(arena, k.shape());
    dv = Tensor.allocate(arena, k.shape());
    lse = Tensor.allocate(arena, n[0], heads, n[1]);
    op.forward(training, kvOf, 0, q, k, v, o, lse);
  }

  private Tensor normal(Random random, long... shape) {
    Tensor t = Tensor.allocate(arena, shape);
    for (long i = 0; i < t.size(); i++) {
      t.set(i, (float) random.nextGaussian());
    }
    return t;
  }

  @TearDown
  public void close() {
    pool.close();
    arena.close();
  }

  /** Multiply-adds of two products of the visible half, counted as 2. */
  private double gflop() {
    double visible = training.queries() * (training.queries() + 1.0) / 2;
    return 4.0 * training.batch() * training.heads() * training.headDim() * visible / 1e9;
  }

  @Benchmark
  public void forward(Work work) {
    op.forward(training, kvOf, 0, q, k, v, o, lse);
    work.gflop += gflop();
  }

  @Benchmark
  public void backward(Work work) {
    op.backward(training, kvOf, q, k, v, o, lse, dO, dq, dk, dv);
    work.gflop += 2.5 * gflop();
  }

  @Benchmark
  public void decode(Work work) {
    op.forward(decoding, kvOf, keys - 1, q.rows(0, 1), keyCache, valueCache, o.rows(0, 1), null);
    work.gigabytes += 2.0 * k.bytes() / 1e9;
  }
}
