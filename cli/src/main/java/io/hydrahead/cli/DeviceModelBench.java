package io.hydrahead.cli;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.model.Footprint;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.Session;
import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.InputException;
import io.hydrahead.train.AdamW;
import io.hydrahead.train.Batch;
import io.hydrahead.train.Learner;
import io.hydrahead.train.NextTokenWork;
import io.hydrahead.train.Stage;
import io.hydrahead.train.StageWork;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Times a whole model on a device. FLOPs a token are {@link ModelWork}'s; training counts three
 * times forward, recomputation not counted. Bytes of a decoded token: every matrix once, keys and
 * values of the context, and the recurrent states read and written.
 */
final class DeviceModelBench {
  /** Tokens that are read before times count: whole pieces, so that every kernel is there. */
  private static final int WARM_TOKENS = 3 * 8192;

  /** Sizes of a training step. */
  record Training(int rows, int microRows, boolean recompute) {}

  private final HybridTransformer model;
  private final ModelConfig config;
  private final ModelWork work;
  private final Ops ops;
  private final DeviceFigures figures;
  private final String name;
  private final double seconds;
  private final long freeBefore;

  /**
   * @param freeBefore free bytes of the device before the model was made
   */
  DeviceModelBench(
      HybridTransformer model,
      DeviceFigures figures,
      String name,
      double seconds,
      long freeBefore) {
    this.freeBefore = freeBefore;
    this.model = model;
    this.config = model.config();
    this.work = new ModelWork(model);
    this.ops = model.ops();
    this.figures = figures;
    this.name = name;
    this.seconds = seconds;
  }

  /** One token at a time behind {@code context} tokens that were never read. */
  void decode(int context) {
    try (Session session = model.newSession(context + 4096)) {
      session.pretend(context);
      int next = session.decodeGreedy(1);
      double ms = median(4, 4000, () -> session.decodeGreedy(next));
      double d = config.headDim();
      double keyValues = 2.0 * d * ops.activations().bytes() * keptKvHeads() * context;
      double states = 2.0 * 4 * work.recurrence().stateFloats();
      figures.add(
          "decode " + name,
          "" + context,
          1,
          ms,
          work.decodeFlops(context),
          matrixBytes() + keyValues + states,
          Map.of("context", context, "used_bytes", used()));
    }
  }

  /** A text of {@code tokens} tokens in pieces; logits of the last row only. */
  void prefill(int tokens) {
    int[] ids = work.text(tokens);
    try (Session session = model.newSession(tokens)) {
      session.prefill(Arrays.copyOf(ids, Math.min(tokens, WARM_TOKENS)));
      double ms =
          median(
              0,
              200,
              () -> {
                session.reset();
                session.prefill(ids);
              });
      double head = work.headFlops();
      Footprint planned =
          Footprint.ofInference(config, model.plan(), model.style(), ops.activations(), tokens);
      figures.add(
          "prefill " + name,
          "" + tokens,
          tokens,
          ms,
          work.forwardFlops(tokens) * tokens - head * (tokens - 1),
          0,
          Map.of("used_bytes", used(), "planned_bytes", planned.total()));
      figures.note(
          String.format(
              Locale.ROOT,
              "%s, %d tokens: %.2f GB used, %.2f GB planned",
              name,
              tokens,
              used() / 1e9,
              planned.total() / 1e9));
    }
  }

  /** Whole steps: every micro-batch forward and backward, then AdamW with clipping. */
  void train(int tokens, Training t) {
    if (t.rows % t.microRows != 0) {
      throw new InputException("--micro-rows must divide --batch, " + t.rows);
    }
    Batch batch = new Batch(t.microRows, tokens);
    int n = batch.ids().length;
    System.arraycopy(work.text(n), 0, batch.ids(), 0, n);
    System.arraycopy(work.text(n), 0, batch.targets(), 0, n);
    Arrays.fill(batch.weights(), 1f);
    Stage.Batching batching = new Stage.Batching(t.rows, t.microRows, tokens, t.recompute);
    long rows = batching.tokens();
    StageWork.Share share = new StageWork.Share(rows, batching.micros());
    try (Learner learner = new Learner(name, model);
        NextTokenWork training = new NextTokenWork(List.of(learner), batching);
        AdamW adamW =
            new AdamW(
                ops.optim(),
                AdamW.Settings.DEFAULT,
                model.parameters(),
                learner.grads(),
                parameter -> true)) {
      long[] step = {0};
      double[][] loss = new double[1][1];
      double ms =
          median(
              3,
              200,
              () -> {
                learner.grads().clear();
                for (int i = 0; i < batching.micros(); i++) {
                  training.run(batch, share, true);
                }
                adamW.step(++step[0], 1e-5);
                training.take(share, loss);
              });
      figures.add(
          "train " + name,
          t.rows + "×" + tokens,
          rows,
          ms,
          3 * work.forwardFlops(tokens) * rows,
          0,
          Map.of(
              "loss",
              loss[0][0],
              "micro_rows",
              t.microRows,
              "recompute",
              t.recompute,
              "used_bytes",
              used()));
    }
  }

  private int keptKvHeads() {
    int kept = 0;
    for (int l = 0; l < config.layers(); l++) {
      kept += model.plan().keptKvHeads(l, config.kvHeads()).length;
    }
    return kept;
  }

  private double matrixBytes() {
    return work.matrixWeights() * ops.activations().bytes();
  }

  /** Bytes of the device that the model, its buffers and scratch take. */
  private long used() {
    return freeBefore - ops.memory().freeBytes();
  }

  /** Median milliseconds of {@code step}, which waits for the device itself, after warming up. */
  private double median(int warm, int most, Runnable step) {
    CudaDevice device = DeviceCeilings.device(ops);
    for (int i = 0; i < warm; i++) {
      step.run();
    }
    device.synchronize();
    double[] ms = new double[most];
    int n = 0;
    long end = System.nanoTime() + (long) (seconds * 1e9);
    while (n < most && (n < 1 || System.nanoTime() < end)) {
      long from = System.nanoTime();
      step.run();
      device.synchronize();
      ms[n++] = (System.nanoTime() - from) / 1e6;
    }
    return Median.of(ms, n);
  }
}
