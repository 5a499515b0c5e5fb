package io.hydrahead.server;

import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.server.api.ChatCompletion;
import io.hydrahead.server.api.ChatCompletion.Choice;
import io.hydrahead.server.api.ChatCompletion.Delta;
import io.hydrahead.server.api.ChatCompletion.Logprobs;
import io.hydrahead.server.api.ChatCompletion.Message;
import io.hydrahead.server.api.ChatCompletion.TokenLogprob;
import io.hydrahead.server.api.ChatRequest;
import io.hydrahead.server.api.Usage;
import io.hydrahead.server.engine.Engine;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Answers {@code POST /v1/chat/completions}. */
final class ChatReplies extends Replies {
  private final String id = "chatcmpl-" + Ids.next();
  private final long created = System.currentTimeMillis() / 1000;
  private final List<int[]> prompts;
  private final boolean withLogprobs;

  /** Of each reply: all log-probabilities, or in a stream those not sent yet. */
  private final List<List<TokenLogprob>> logprobs = new ArrayList<>();

  ChatReplies(
      Engine engine, HttpAnswer answer, ChatRequest request, ServerMetrics metrics, int[] prompt) {
    super(engine, answer, request.sampling(), metrics, request.sampling().choices());
    this.prompts = List.of(prompt);
    this.withLogprobs = request.logprobs() >= 0;
    states.forEach(s -> logprobs.add(new ArrayList<>()));
  }

  @Override
  public void started(int sequence, int cachedTokens) {
    super.started(sequence, cachedTokens);
    if (sampling.stream()) {
      send(sequence, new Delta(Optional.of("assistant"), Optional.of("")), Optional.empty());
    }
  }

  @Override
  public void prompt(int sequence, int token, Optional<TokenLogprobs> ofPrompt) {
    // Chats have no log-probabilities of prompts.
  }

  @Override
  void piece(int sequence, String text, int token, Optional<TokenLogprobs> ofToken) {
    ofToken.ifPresent(t -> logprobs.get(sequence).add(spelling.chat(t)));
    if (sampling.stream() && (!text.isEmpty() || withLogprobs)) {
      send(sequence, new Delta(Optional.empty(), Optional.of(text)), Optional.empty());
    }
  }

  @Override
  void last(int sequence, String text, String finish) {
    if (!sampling.stream()) {
      return;
    }
    if (!text.isEmpty()) {
      send(sequence, new Delta(Optional.empty(), Optional.of(text)), Optional.empty());
    }
    send(sequence, new Delta(Optional.empty(), Optional.empty()), Optional.of(finish));
  }

  private void send(int sequence, Delta delta, Optional<String> finish) {
    Choice c =
        new Choice(sequence, Optional.empty(), Optional.of(delta), logprobs(sequence), finish);
    logprobs.get(sequence).clear();
    answer.event(body(ChatCompletion.CHUNK, List.of(c), Optional.empty()));
  }

  private Optional<Logprobs> logprobs(int sequence) {
    return withLogprobs
        ? Optional.of(new Logprobs(List.copyOf(logprobs.get(sequence)), Optional.empty()))
        : Optional.empty();
  }

  private ChatCompletion body(String object, List<Choice> choices, Optional<Usage> usage) {
    return new ChatCompletion(id, object, created, engine.name(), choices, usage);
  }

  /** Sends what is left when all sequences have ended. */
  void close() {
    if (sampling.stream()) {
      if (sampling.usage()) {
        answer.event(body(ChatCompletion.CHUNK, List.of(), Optional.of(usage(prompts))));
      }
      answer.end();
      return;
    }
    List<Choice> choices = new ArrayList<>();
    for (int i = 0; i < states.size(); i++) {
      Message message = new Message("assistant", states.get(i).whole.toString(), Optional.empty());
      choices.add(
          new Choice(i, Optional.of(message), Optional.empty(), logprobs(i), states.get(i).finish));
    }
    answer.body(body(ChatCompletion.OBJECT, choices, Optional.of(usage(prompts))));
  }
}
