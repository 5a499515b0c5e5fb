package io.hydrahead.ops;

/**
 * Work that is done again and again: the first time as it is, which loads kernels and sizes
 * scratch, then recorded and replayed.
 */
public final class Replay implements AutoCloseable {
  private final Graphs graphs;
  private final Runnable work;
  private boolean warm;
  private Graphs.Graph graph;

  public Replay(Graphs graphs, Runnable work) {
    this.graphs = graphs;
    this.work = work;
  }

  /** Does the work once. */
  public void run() {
    if (graph != null) {
      graph.launch();
    } else if (warm) {
      graph = graphs.record(work);
      graph.launch();
    } else {
      work.run();
      warm = true;
    }
  }

  @Override
  public void close() {
    if (graph != null) {
      graph.close();
      graph = null;
    }
  }
}
