package io.hydrahead.server.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.serve.BatchEngine;
import io.hydrahead.serve.BatchOptions;
import io.hydrahead.serve.BatchStats;
import java.nio.file.Path;
import java.util.Optional;

/** An engine whose memory can be looked into, and whose work can be held up. */
public final class Watched implements AutoCloseable {
  private final Ops ops = OpsFactory.cpu(new OpsOptions(1, "auto", false));
  private final HybridTransformer model;
  private final Engine engine;
  private volatile BatchEngine batch;
  private boolean held;

  public Watched(Path checkpoint, int maxSequences, int maxWaiting) {
    model = HybridTransformer.load(checkpoint, ops, ModelFiles.LoadOptions.STORED);
    int context = model.config().maxPositionEmbeddings();
    BatchOptions options = BatchOptions.of(model, maxSequences, context).withPiece(64, 64);
    BatchScheduler scheduler =
        new BatchScheduler(model, options, maxWaiting, Optional.empty(), this::turn);
    engine = Engine.of(checkpoint, model, "watched", scheduler, () -> {});
  }

  private void turn(BatchEngine e) {
    batch = e;
    synchronized (this) {
      while (held) {
        try {
          wait();
        } catch (InterruptedException stop) {
          throw new IllegalStateException(stop);
        }
      }
    }
  }

  public Engine engine() {
    return engine;
  }

  /** From now on nothing is begun, or all goes on. */
  public synchronized void hold(boolean value) {
    held = value;
    notifyAll();
  }

  /** Waits until all requests are over; then only the prefix cache has memory. */
  public BatchStats idle() throws InterruptedException {
    Scheduler.Status s = engine.scheduler().status();
    for (int i = 0; i < 2000 && s.running() + s.waiting() > 0; i++) {
      Thread.sleep(10);
      s = engine.scheduler().status();
    }
    assertThat(s.running() + s.waiting()).as("requests after the end").isZero();
    assertThat(s.alive()).isTrue();
    BatchStats held = batch.stats();
    assertThat(held.sequences()).isZero();
    assertThat(held.kvBytes()).isEqualTo(held.kvBytesCached());
    assertThat(held.stateBytes()).isEqualTo(held.stateBytesCached());
    return held;
  }

  @Override
  public void close() {
    hold(false);
    engine.close();
    model.close();
    ops.close();
  }
}
