package io.hydrahead.bench;

import io.hydrahead.ops.deltarule.CpuGatedDeltaRule;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Inputs;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.ops.deltarule.ReferenceGatedDeltaRule;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;
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
 * The gated delta rule: chunked prefill, training, and the same tokens one by one, as decoding does
 * it and as plain loops do it. {@code tokens} counts tokens times heads a second.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 4, time = 1)
@Measurement(iterations = 5, time = 1)
public class DeltaRuleBench extends FullSpeed {
  /** Batch, tokens, heads, dim of keys and values. */
  @Param({"8 512 8 32", "1 4096 16 64", "1 4096 16 128"})
  String shape;

  private ComputePool pool;
  private Arena arena;
  private GatedDeltaRule op;
  private GatedDeltaRule reference;
  private Shape s;
  private Shape one;
  private Inputs in;
  private Inputs grads;
  private Inputs[] steps;
  private Tensor state;
  private Tensor dState;
  private Tensor out;
  private Tensor dOut;
  private Tensor saved;

  /** Work done, which JMH divides by time. */
  @AuxCounters
  @State(Scope.Thread)
  public static class Work {
    public double tokens;
  }

  @Setup
  public void open() {
    pool = new ComputePool(Runtime.getRuntime().availableProcessors());
    op = new CpuGatedDeltaRule(pool);
    reference = new ReferenceGatedDeltaRule();
    int[] n = java.util.Arrays.stream(shape.split(" ")).mapToInt(Integer::parseInt).toArray();
    s = new Shape(n[0], n[1], n[2], n[3], n[3]);
    one = new Shape(1, 1, n[2], n[3], n[3]);
    arena = Arena.ofShared();
    Random r = new Random(1);
    double unit = 1 / Math.sqrt(n[3]);
    in =
        new Inputs(
            rows(n[3], () -> unit * r.nextGaussian()),
            rows(n[3], () -> 0.9 * unit * r.nextGaussian()),
            rows(n[3], r::nextGaussian),
            rows(1, () -> -0.05 * r.nextDouble()),
            rows(1, r::nextDouble));
    grads =
        new Inputs(
            rows(n[3], () -> 0),
            rows(n[3], () -> 0),
            rows(n[3], () -> 0),
            rows(1, () -> 0),
            rows(1, () -> 0));
    steps = new Inputs[n[1]];
    for (int t = 0; t < n[1]; t++) {
      steps[t] =
          new Inputs(
              in.q().rows(t, 1),
              in.k().rows(t, 1),
              in.v().rows(t, 1),
              in.g().rows(t, 1),
              in.beta().rows(t, 1));
    }
    state = Tensor.allocate(arena, n[0], n[2], n[3], n[3]);
    dState = Tensor.allocate(arena, n[0], n[2], n[3], n[3]);
    out = Tensor.allocate(arena, in.v().shape());
    dOut = rows(n[3], r::nextGaussian);
    saved = Tensor.allocate(arena, op.savedFloats(s));
    op.forward(s, in, 0, state, out, saved);
  }

  private Tensor rows(int width, DoubleSupplier values) {
    Tensor t = Tensor.allocate(arena, (long) s.batch() * s.tokens(), (long) s.heads() * width);
    for (long i = 0; i < t.size(); i++) {
      t.set(i, (float) values.getAsDouble());
    }
    return t;
  }

  @TearDown
  public void close() {
    pool.close();
    arena.close();
  }

  private double tokens() {
    return (double) s.batch() * s.tokens() * s.heads();
  }

  @Benchmark
  public void prefill(Work work) {
    state.fill(0f);
    op.forward(s, in, 0, state, out, null);
    work.tokens += tokens();
  }

  @Benchmark
  public void forwardForTraining(Work work) {
    state.fill(0f);
    op.forward(s, in, 0, state, out, saved);
    work.tokens += tokens();
  }

  @Benchmark
  public void backward(Work work) {
    dState.fill(0f);
    op.backward(s, in, saved, dOut, dState, grads);
    work.tokens += tokens();
  }

  /** The tokens of one sequence, one call each. */
  @Benchmark
  public void stepByStep(Work work) {
    Tensor first = state.rows(0, 1);
    first.fill(0f);
    for (int t = 0; t < s.tokens(); t++) {
      op.step(one, steps[t], first, out.rows(t, 1));
    }
    work.tokens += (double) s.tokens() * s.heads();
  }

  /** The recurrence in plain loops. */
  @Benchmark
  public void plainLoops(Work work) {
    state.fill(0f);
    reference.forward(s, in, 0, state, out, null);
    work.tokens += tokens();
  }
}
