package io.hydrahead.server.engine;

import io.hydrahead.model.TokenLogprobs;
import java.util.Optional;

/**
 * Hears what becomes of a request. Calls come one at a time, in this order: {@link #started} once,
 * {@link #prompt} for every token of the prompt if its log-probabilities were asked for, {@link
 * #token} for every token of the reply, and at the end {@link #finished} or {@link #failed} once;
 * {@code failed} may come at any time. They come on the scheduler's thread and must return soon.
 */
public interface GenerationListener {
  /**
   * Work on the request begins.
   *
   * @param cachedTokens tokens of the prompt that need not be read, since their caches are kept
   */
  void started(int cachedTokens);

  /**
   * A token of the prompt.
   *
   * @param logprobs empty for the first, which nothing comes before
   */
  void prompt(int id, Optional<TokenLogprobs> logprobs);

  /**
   * A token of the reply.
   *
   * @param logprobs empty unless they were asked for
   */
  void token(int id, Optional<TokenLogprobs> logprobs);

  /** The reply is over. */
  void finished(Finish finish, Usage usage);

  /** The request came to nothing. */
  void failed(RuntimeException why);

  /** How a reply ended. */
  enum Finish {
    /** At an end token, or where its constraint was fulfilled. */
    STOP,
    /** At its limit. */
    LENGTH,
    /** By {@link Generation#cancel}, or cut off when the scheduler closes. */
    CANCELLED
  }

  /**
   * What a request took.
   *
   * @param cachedTokens tokens of the prompt whose caches were kept
   * @param replyTokens without the one that ended it
   */
  record Usage(int promptTokens, int cachedTokens, int replyTokens) {}
}
