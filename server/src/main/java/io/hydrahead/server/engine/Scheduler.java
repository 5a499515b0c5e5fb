package io.hydrahead.server.engine;

import java.time.Duration;

/**
 * Decides which request's tokens are computed next. What a request may be is looked at before it is
 * taken, so that nothing is begun that cannot be ended.
 */
public interface Scheduler extends AutoCloseable {
  /**
   * Takes a request. Returns at once; the listener hears the rest.
   *
   * @throws OverloadedException if too many wait
   * @throws ClosedException after {@link #drain} or {@link #close} has begun
   * @throws ContextException if prompt and reply do not fit
   * @throws io.hydrahead.tensor.InputException if the request is wrong in another way
   */
  Generation submit(GenerationRequest request, GenerationListener listener);

  /** Most tokens that prompt and reply may have together. */
  int maxContext();

  /** How things stand. */
  Status status();

  /**
   * Takes no more requests, and waits until those that were taken are over; cancels what is left
   * when {@code patience} ends.
   */
  void drain(Duration patience);

  /** Cancels everything and frees what it holds. */
  @Override
  void close();

  /**
   * Numbers of a moment.
   *
   * @param waiting requests that were taken and not begun
   * @param running requests that are being worked on
   * @param alive whether the worker works
   */
  record Status(int waiting, int running, Caches caches, boolean alive) {}

  /**
   * What is kept of texts.
   *
   * @param tokens that what is in use has room for; where texts share memory, they count once
   * @param kvBytes bytes of keys and values in use, by requests or for later ones
   * @param kvBytesTotal bytes that there are of them
   * @param stateBytes bytes of recurrent states in use
   * @param stateBytesTotal bytes that there are of them
   * @param disk what is kept of them from one start to the next
   */
  record Caches(
      long tokens,
      long kvBytes,
      long kvBytesTotal,
      long stateBytes,
      long stateBytesTotal,
      Disk disk) {
    public static final Caches NONE = new Caches(0, 0, 0, 0, 0, Disk.NONE);
  }

  /**
   * What is kept in a {@link PrefixStore}.
   *
   * @param bytes of the file as it is known
   * @param restoredTokens tokens that were known at the start
   * @param reusedTokens tokens of prompts so far that were not read again because of these
   * @param savedTokens tokens that were saved at the end
   * @param failures files that could not be used, or not be written
   */
  record Disk(long bytes, long restoredTokens, long reusedTokens, long savedTokens, long failures) {
    public static final Disk NONE = new Disk(0, 0, 0, 0, 0);
  }

  /** So many requests wait that another would wait too long. */
  final class OverloadedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public OverloadedException(String message) {
      super(message);
    }
  }

  /** No more requests are taken. */
  final class ClosedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public ClosedException() {
      super("The scheduler takes no more requests.");
    }
  }

  /** Prompt and reply have more tokens than fit. */
  final class ContextException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * @param most most tokens that prompt and reply may have together
     */
    public ContextException(int promptTokens, int maxTokens, int most) {
      super(
          "This model takes at most "
              + most
              + " tokens of prompt and reply; the prompt has "
              + promptTokens
              + " and the reply may have "
              + maxTokens
              + ". "
              + remedy(promptTokens, maxTokens, most));
    }

    private static String remedy(int prompt, int reply, int most) {
      String ask = "ask for at most " + (most - prompt) + " tokens";
      String shorten = "shorten the prompt to " + (most - reply) + " tokens";
      if (prompt >= most && reply >= most) {
        return "Shorten the prompt, and ask for fewer tokens.";
      }
      String advice = prompt >= most ? shorten : reply >= most ? ask : ask + ", or " + shorten;
      return Character.toUpperCase(advice.charAt(0)) + advice.substring(1) + ".";
    }
  }
}
