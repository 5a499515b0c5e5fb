package io.hydrahead.cli;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ParameterStore;
import io.hydrahead.model.Session;
import io.hydrahead.model.TrainingPass;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.gemm.Ceilings;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Workspace;
import java.util.Arrays;

/**
 * Times a whole model on the processor. FLOPs a token are {@link ModelWork}'s. Bytes a token when
 * decoding: every matrix once, and keys and values of the context.
 */
final class ModelBench {
  /**
   * @param micros median microseconds a token
   * @param best microseconds a token of the best round: what ceilings, which are best rounds too,
   *     compare with on a machine that others use
   * @param readCeiling best streaming read measured around the figure in GB/s, or 0
   */
  record Figure(double micros, double best, double flops, double bytes, double readCeiling) {}

  private final HybridTransformer model;
  private final ModelConfig config;
  private final ModelWork work;
  private final double seconds;
  private final int batch;
  private final Progress progress;

  ModelBench(HybridTransformer model, double seconds, int batch, Progress progress) {
    this.model = model;
    this.config = model.config();
    this.work = new ModelWork(model);
    this.seconds = seconds;
    this.batch = batch;
    this.progress = progress;
  }

  Figure decode(int context, Ops ops, long ceilingBytes) {
    try (Session session = model.newSession(context + 4096);
        Workspace memory = new Workspace()) {
      var buffer = memory.allocate(io.hydrahead.tensor.DType.U8, ceilingBytes).segment();
      buffer.fill((byte) 1); // pages that were never written are all the same page of zeros
      double read = Ceilings.readGBs(ops.pool(), buffer, 4);
      session.pretend(context);
      double[] micros = new double[4000];
      int n = 0;
      for (int i = 0; i < 20; i++) {
        session.decode(i);
      }
      long end = System.nanoTime() + (long) (seconds * 1e9);
      while (n < micros.length && (n < 5 || System.nanoTime() < end)) {
        progress.throwIfCancelled();
        long t = System.nanoTime();
        session.decode(n % config.vocabSize());
        micros[n++] = (System.nanoTime() - t) / 1e3;
      }
      read = Math.max(read, Ceilings.readGBs(ops.pool(), buffer, 4));
      double bytes = work.matrixBytes() + keyValueBytes() * context;
      double flops = work.decodeFlops(context);
      return new Figure(Median.of(micros, n), Median.least(micros, n), flops, bytes, read);
    }
  }

  Figure prefill(int tokens) {
    int[] ids = work.text(tokens);
    try (Session session = model.newSession(tokens)) {
      session.prefill(ids);
      double[] micros = new double[1000];
      int n = 0;
      long end = System.nanoTime() + (long) (seconds * 1e9);
      while (n < micros.length && (n < 2 || System.nanoTime() < end)) {
        progress.throwIfCancelled();
        session.reset();
        long t = System.nanoTime();
        session.prefill(ids);
        micros[n++] = (System.nanoTime() - t) / 1e3 / tokens;
      }
      double head = work.headFlops();
      double flops = work.forwardFlops(tokens) - head + head / tokens;
      return new Figure(
          Median.of(micros, n), Median.least(micros, n), flops, work.matrixBytes() / tokens, 0);
    }
  }

  Figure train(int tokens) {
    int[] ids = work.text(batch * tokens);
    int[] targets = work.text(batch * tokens);
    float[] weights = new float[ids.length];
    Arrays.fill(weights, 1f);
    try (TrainingPass pass = new TrainingPass(model, batch, tokens, true);
        ParameterStore grads = model.parameters().zerosLike()) {
      double[] micros = new double[1000];
      int n = 0;
      long end = 0;
      for (int i = 0; i < 3 || n < 3 || System.nanoTime() < end; i++) {
        if (i == 2) {
          end = System.nanoTime() + (long) (seconds * 1e9);
        }
        progress.throwIfCancelled();
        long t = System.nanoTime();
        pass.forward(ids);
        pass.nextTokenLoss(targets, weights, 1f / ids.length, grads);
        pass.backward(grads);
        if (i >= 2 && n < micros.length) {
          micros[n++] = (System.nanoTime() - t) / 1e3 / ids.length;
        }
      }
      return new Figure(
          Median.of(micros, n), Median.least(micros, n), 3 * work.forwardFlops(tokens), 0, 0);
    }
  }

  private double keyValueBytes() {
    return model.plan().cacheShare(config.kvHeads())
        * config.layers()
        * config.kvHeads()
        * config.headDim()
        * 2
        * 4;
  }
}
