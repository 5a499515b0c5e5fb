package io.hydrahead.server;

import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.server.api.Completion;
import io.hydrahead.server.api.Completion.Choice;
import io.hydrahead.server.api.Completion.Logprobs;
import io.hydrahead.server.api.CompletionRequest;
import io.hydrahead.server.api.Usage;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.tokenizer.StreamingDecoder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Answers {@code POST /v1/completions}. */
final class CompletionReplies extends Replies {
  private final String id = "cmpl-" + Ids.next();
  private final long created = System.currentTimeMillis() / 1000;
  private final List<int[]> prompts;
  private final CompletionRequest request;
  private final List<Table> tables = new ArrayList<>();

  /** Log-probabilities of a sequence: all of them, or in a stream those not sent yet. */
  private final class Table {
    private final StreamingDecoder decoder = engine.tokenizer().streamingDecoder();
    private List<String> tokens = new ArrayList<>();
    private List<Float> own = new ArrayList<>();
    private List<Map<String, Float>> top = new ArrayList<>();
    private List<Integer> offsets = new ArrayList<>();
    private int offset;

    void add(int token, Optional<TokenLogprobs> logprobs) {
      tokens.add(spelling.text(token));
      own.add(logprobs.map(t -> TokenSpelling.finite(t.logprob())).orElse(null));
      top.add(logprobs.map(spelling::completion).orElse(null));
      offsets.add(offset);
      String text = decoder.push(token);
      offset += text.codePointCount(0, text.length());
    }

    Logprobs take() {
      Logprobs out = new Logprobs(tokens, own, top, offsets);
      tokens = new ArrayList<>();
      own = new ArrayList<>();
      top = new ArrayList<>();
      offsets = new ArrayList<>();
      return out;
    }
  }

  CompletionReplies(
      Engine engine,
      HttpAnswer answer,
      CompletionRequest request,
      ServerMetrics metrics,
      List<int[]> prompts) {
    super(
        engine, answer, request.sampling(), metrics, prompts.size() * request.sampling().choices());
    this.prompts = prompts;
    this.request = request;
    states.forEach(s -> tables.add(new Table()));
  }

  @Override
  boolean scoresPrompts() {
    return request.echo() && request.logprobs() >= 0;
  }

  @Override
  public void started(int sequence, int cachedTokens) {
    super.started(sequence, cachedTokens);
    if (request.echo()) {
      int[] prompt = prompts.get(sequence / sampling.choices());
      String text = engine.tokenizer().decode(prompt);
      states.get(sequence).whole.append(text);
      if (sampling.stream() && request.logprobs() < 0) {
        send(sequence, text, Optional.empty());
      }
    }
  }

  @Override
  public void prompt(int sequence, int token, Optional<TokenLogprobs> logprobs) {
    tables.get(sequence).add(token, logprobs);
  }

  @Override
  void piece(int sequence, String text, int token, Optional<TokenLogprobs> logprobs) {
    states.get(sequence).whole.append(text);
    boolean wanted = request.logprobs() >= 0;
    boolean echoed = request.echo() && wanted && states.get(sequence).tokens == 1;
    if (wanted) {
      tables.get(sequence).add(token, logprobs);
    }
    if (sampling.stream() && (wanted || !text.isEmpty())) {
      // With log-probabilities the prompt comes with the first token, when they are all there.
      send(sequence, echoed ? states.get(sequence).whole.toString() : text, Optional.empty());
    }
  }

  @Override
  void last(int sequence, String text, String finish) {
    states.get(sequence).whole.append(text);
    if (sampling.stream()) {
      boolean nothingYet =
          request.echo() && request.logprobs() >= 0 && states.get(sequence).tokens == 0;
      send(
          sequence, nothingYet ? states.get(sequence).whole.toString() : text, Optional.of(finish));
    }
  }

  private void send(int sequence, String text, Optional<String> finish) {
    answer.event(
        body(List.of(new Choice(text, sequence, logprobs(sequence), finish)), Optional.empty()));
  }

  private Optional<Logprobs> logprobs(int sequence) {
    return request.logprobs() < 0 ? Optional.empty() : Optional.of(tables.get(sequence).take());
  }

  private Completion body(List<Choice> choices, Optional<Usage> usage) {
    return new Completion(id, Completion.OBJECT, created, engine.name(), choices, usage);
  }

  @Override
  Usage usage() {
    return usage(prompts);
  }

  /** Sends what is left when all sequences have ended. */
  void close() {
    if (sampling.stream()) {
      if (sampling.usage()) {
        answer.event(body(List.of(), Optional.of(usage())));
      }
      answer.end();
      return;
    }
    List<Choice> choices = new ArrayList<>();
    for (int i = 0; i < states.size(); i++) {
      State s = states.get(i);
      choices.add(new Choice(s.whole.toString(), i, logprobs(i), s.finish));
    }
    answer.body(body(choices, Optional.of(usage())));
  }
}
