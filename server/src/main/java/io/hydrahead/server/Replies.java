package io.hydrahead.server;

import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.server.api.SamplingFields;
import io.hydrahead.server.api.Usage;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.server.engine.GenerationListener;
import io.hydrahead.server.engine.GenerationListener.Finish;
import io.hydrahead.server.engine.ReplyText;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Turns the tokens of a request's sequences into texts and passes them on, piece by piece or at the
 * end. What a chat and a completion have in common.
 */
abstract class Replies implements SequenceGroup.Watcher {
  /** One sequence. */
  static final class State {
    final ReplyText text;
    final StringBuilder whole = new StringBuilder();
    int tokens;
    int cached;
    boolean started;
    long lastToken;
    Optional<String> finish = Optional.empty();

    State(ReplyText text) {
      this.text = text;
    }
  }

  final Engine engine;
  final HttpAnswer answer;
  final SamplingFields sampling;
  final TokenSpelling spelling;
  final List<State> states = new ArrayList<>();
  private final ServerMetrics metrics;
  private boolean over;
  private final long arrived = System.nanoTime();

  Replies(
      Engine engine,
      HttpAnswer answer,
      SamplingFields sampling,
      ServerMetrics metrics,
      int sequences) {
    this.engine = engine;
    this.answer = answer;
    this.sampling = sampling;
    this.metrics = metrics;
    this.spelling = new TokenSpelling(engine.tokenizer());
    for (int i = 0; i < sequences; i++) {
      states.add(new State(new ReplyText(engine.tokenizer(), sampling.stops())));
    }
  }

  /** A token of a reply with the text that is certain with it. */
  abstract void piece(int sequence, String text, int id, Optional<TokenLogprobs> logprobs);

  /** The reply's last text, and how it ended. */
  abstract void last(int sequence, String text, String finish);

  /** Whether a reply has all that it may have, before its end. */
  boolean complete(int sequence) {
    return false;
  }

  /** Whether the log-probabilities of prompts are wanted, which then are read whole. */
  boolean scoresPrompts() {
    return false;
  }

  /** Whether it is the sequence that a prompt counts with, however many replies it has. */
  private boolean first(int sequence) {
    return sequence % sampling.choices() == 0;
  }

  @Override
  public void started(int sequence, int cachedTokens) {
    State s = states.get(sequence);
    s.cached = cachedTokens;
    s.started = true;
    if (first(sequence) && !scoresPrompts()) {
      metrics.lookup(cachedTokens > 0);
    }
  }

  @Override
  public boolean token(int sequence, int id, Optional<TokenLogprobs> logprobs) {
    State s = states.get(sequence);
    long now = System.nanoTime();
    if (s.tokens == 0) {
      metrics.firstToken(now - arrived);
    } else {
      metrics.betweenTokens(now - s.lastToken);
    }
    s.lastToken = now;
    s.tokens++;
    String text = s.text.push(id);
    piece(sequence, text, id, logprobs);
    return !s.text.stopped() && !complete(sequence);
  }

  @Override
  public void finished(int sequence, Finish finish, GenerationListener.Usage usage) {
    State s = states.get(sequence);
    String rest = s.text.finish();
    String how = finish == Finish.LENGTH && !s.text.stopped() ? "length" : "stop";
    s.finish = Optional.of(how);
    last(sequence, rest, how);
  }

  @Override
  public void heartbeat() {
    answer.heartbeat();
  }

  /**
   * Tokens of all sequences that were begun; a prompt counts once, however many replies it has.
   *
   * @param prompts lengths of the prompts
   */
  Usage usage(List<int[]> prompts) {
    int prompt = 0;
    int cached = 0;
    int replies = 0;
    for (int i = 0; i < states.size(); i++) {
      State s = states.get(i);
      if (first(i) && s.started) {
        prompt += prompts.get(i / sampling.choices()).length;
        cached += s.cached;
      }
      replies += s.tokens;
    }
    return Usage.of(prompt, replies, cached);
  }

  /** What the request took, in OpenAI's form. */
  abstract Usage usage();

  /** The request is over, however it ended: counts what it took, the first time. */
  void over() {
    if (over) {
      return;
    }
    over = true;
    Usage u = usage();
    metrics.tokens(u.promptTokens(), u.promptTokensDetails().cachedTokens(), u.completionTokens());
  }
}
