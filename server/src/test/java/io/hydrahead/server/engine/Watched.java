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

  /** Turns until the work is held up. */
  private int turns = Integer.MAX_VALUE;

  private boolean waits;

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
      while (turns == 0) {
        waits = true;
        notifyAll();
        try {
          wait();
        } catch (InterruptedException stop) {
          throw new IllegalStateException(stop);
        }
      }
      turns--;
    }
  }

  public Engine engine() {
    return engine;
  }

  /** From now on nothing is begun, or all goes on. */
  public void hold(boolean value) {
    allow(value ? 0 : Integer.MAX_VALUE);
  }

  /** Lets the work go on for so many turns, of which a step takes one or a few. */
  public synchronized void allow(int value) {
    turns = value;
    waits = false;
    notifyAll();
  }

  /** Waits until the work is held up, all turns taken. */
  public synchronized void awaitHeld() throws InterruptedException {
    while (!waits) {
      wait();
    }
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
