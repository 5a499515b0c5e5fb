package io.hydrahead.server.engine;

/** A request that was taken. */
public interface Generation {
  /**
   * Stops it soon: the listener hears {@link GenerationListener#finished} with {@link
   * GenerationListener.Finish#CANCELLED}, unless it was over before. Any thread may call this, and
   * more than once.
   */
  void cancel();
}
