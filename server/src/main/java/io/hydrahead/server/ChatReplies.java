package io.hydrahead.server;

import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.server.api.ChatCompletion;
import io.hydrahead.server.api.ChatCompletion.Choice;
import io.hydrahead.server.api.ChatCompletion.Delta;
import io.hydrahead.server.api.ChatCompletion.Logprobs;
import io.hydrahead.server.api.ChatCompletion.Message;
import io.hydrahead.server.api.ChatCompletion.TokenLogprob;
import io.hydrahead.server.api.ChatCompletion.ToolCall;
import io.hydrahead.server.api.ChatRequest;
import io.hydrahead.server.api.Usage;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.server.engine.ToolCallText;
import java.util.ArrayList;
import java.util.Arrays;
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

  private final List<ToolCallText> texts = new ArrayList<>();

  /** The calls of each reply. */
  private final List<List<ToolCall>> calls = new ArrayList<>();

  ChatReplies(
      Engine engine, HttpAnswer answer, ChatRequest request, ServerMetrics metrics, int[] prompt) {
    super(engine, answer, request.sampling(), metrics, request.sampling().choices());
    this.prompts = List.of(prompt);
    this.withLogprobs = request.logprobs() >= 0;
    boolean thinking = !request.tools().isEmpty() && beginsToThink(prompt);
    for (int i = 0; i < states.size(); i++) {
      logprobs.add(new ArrayList<>());
      texts.add(new ToolCallText(request.functions(), request.parallelCalls(), thinking));
      calls.add(new ArrayList<>());
    }
  }

  /** Whether the template itself has begun what the model thinks. */
  private boolean beginsToThink(int[] prompt) {
    int[] end = Arrays.copyOfRange(prompt, Math.max(0, prompt.length - 16), prompt.length);
    return engine.tokenizer().decode(end).stripTrailing().endsWith("<think>");
  }

  @Override
  public void started(int sequence, int cachedTokens) {
    super.started(sequence, cachedTokens);
    if (sampling.stream()) {
      send(
          sequence,
          new Delta(Optional.of("assistant"), Optional.of(""), Optional.empty()),
          Optional.empty());
    }
  }

  @Override
  public void prompt(int sequence, int token, Optional<TokenLogprobs> ofPrompt) {
    // Chats have no log-probabilities of prompts.
  }

  @Override
  void piece(int sequence, String text, int token, Optional<TokenLogprobs> ofToken) {
    ofToken.ifPresent(t -> logprobs.get(sequence).add(spelling.chat(t)));
    ToolCallText.Piece piece = texts.get(sequence).push(text);
    if (!take(sequence, piece) && sampling.stream() && withLogprobs) {
      sendText(sequence, "");
    }
  }

  @Override
  boolean complete(int sequence) {
    return texts.get(sequence).complete();
  }

  @Override
  void last(int sequence, String text, String finish) {
    take(sequence, texts.get(sequence).push(text));
    take(sequence, texts.get(sequence).finish());
    boolean called = !calls.get(sequence).isEmpty() && finish.equals("stop");
    Optional<String> how = Optional.of(called ? "tool_calls" : finish);
    states.get(sequence).finish = how;
    if (sampling.stream()) {
      send(sequence, new Delta(Optional.empty(), Optional.empty(), Optional.empty()), how);
    }
  }

  /** Keeps a piece of a reply, and sends it in a stream; false if there is nothing in it. */
  private boolean take(int sequence, ToolCallText.Piece piece) {
    states.get(sequence).whole.append(piece.text());
    if (sampling.stream() && !piece.text().isEmpty()) {
      sendText(sequence, piece.text());
    }
    for (ToolCallText.Call c : piece.calls()) {
      List<ToolCall> all = calls.get(sequence);
      ToolCall call = ToolCall.of("call_" + Ids.next(), c.name(), c.arguments());
      if (sampling.stream()) {
        List<ToolCall> one = List.of(call.at(all.size()));
        send(
            sequence,
            new Delta(Optional.empty(), Optional.empty(), Optional.of(one)),
            Optional.empty());
      }
      all.add(call);
    }
    return !piece.text().isEmpty() || !piece.calls().isEmpty();
  }

  private void sendText(int sequence, String text) {
    send(
        sequence,
        new Delta(Optional.empty(), Optional.of(text), Optional.empty()),
        Optional.empty());
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

  @Override
  Usage usage() {
    return usage(prompts);
  }

  /** Sends what is left when all sequences have ended. */
  void close() {
    if (sampling.stream()) {
      if (sampling.usage()) {
        answer.event(body(ChatCompletion.CHUNK, List.of(), Optional.of(usage())));
      }
      answer.end();
      return;
    }
    List<Choice> choices = new ArrayList<>();
    for (int i = 0; i < states.size(); i++) {
      choices.add(
          new Choice(
              i, Optional.of(message(i)), Optional.empty(), logprobs(i), states.get(i).finish));
    }
    answer.body(body(ChatCompletion.OBJECT, choices, Optional.of(usage())));
  }

  private Message message(int sequence) {
    String said = states.get(sequence).whole.toString();
    List<ToolCall> called = calls.get(sequence);
    return called.isEmpty()
        ? new Message("assistant", Optional.of(said), Optional.empty(), Optional.empty())
        : new Message(
            "assistant",
            Optional.of(said).filter(s -> !s.isEmpty()),
            Optional.empty(),
            Optional.of(called));
  }
}
