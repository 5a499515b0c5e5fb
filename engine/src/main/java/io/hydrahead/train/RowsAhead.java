package io.hydrahead.train;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Rows in the order of the data, read ahead by several threads: generating and encoding text is
 * work for many processors where a device trains. Which thread reads a row changes nothing in it.
 */
final class RowsAhead implements AutoCloseable {
  private static final int ROWS_A_THREAD = 4;

  /** A row, [T + 1] each. */
  record Row(int[] ids, float[] weights) {}

  private final Rows rows;
  private final DataOrder order;
  private final int context;
  private final long end;
  private final int most;
  private final boolean beside;
  private final ExecutorService readers;
  private final Deque<CompletableFuture<Row>> ahead = new ArrayDeque<>();
  private long next;

  /**
   * How rows are read.
   *
   * @param threads that read
   * @param beside whether they read all the while, beside a device that computes; otherwise a batch
   *     at a time, so that nothing takes the processors from the computation
   */
  record Readers(int threads, boolean beside) {}

  /**
   * @param first position of the first row
   * @param end position after the last
   * @param batch rows of a step
   */
  RowsAhead(
      Rows rows, DataOrder order, int context, long first, long end, int batch, Readers readers) {
    this.rows = rows;
    this.order = order;
    this.context = context;
    this.next = first;
    this.end = end;
    this.beside = readers.beside;
    this.most = beside ? Math.max(batch, ROWS_A_THREAD * readers.threads) : batch;
    this.readers =
        Executors.newFixedThreadPool(
            readers.threads, Thread.ofPlatform().daemon().name("hydrahead-rows-", 0).factory());
  }

  /** The next row; waits until it is read. */
  Row take() {
    boolean fill = beside || ahead.isEmpty();
    while (fill && next < end && ahead.size() < most) {
      long row = order.row(next++);
      ahead.add(CompletableFuture.supplyAsync(() -> read(row), readers));
    }
    if (ahead.isEmpty()) {
      throw new IllegalStateException("no rows after position " + end);
    }
    try {
      return ahead.poll().join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException r ? r : e;
    }
  }

  private Row read(long row) {
    Row r = new Row(new int[context + 1], new float[context + 1]);
    rows.read(row, r.ids(), r.weights());
    return r;
  }

  /** Ends the threads; rows that nobody took are forgotten. */
  @Override
  public void close() {
    readers.shutdownNow();
  }
}
