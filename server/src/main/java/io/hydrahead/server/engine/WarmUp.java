package io.hydrahead.server.engine;

import io.hydrahead.json.Json;
import io.hydrahead.model.Sampler;
import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.tokenizer.ChatTemplate.Conversation;
import io.hydrahead.tokenizer.template.TemplateException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import tools.jackson.databind.node.ArrayNode;

/** The first work of an engine, done before anybody waits for it. */
final class WarmUp {
  private static final Duration TIME = Duration.ofSeconds(1);

  /** Prompt and reply are less than a block of the prefix cache, which then keeps nothing. */
  private static final int PROMPT = 40;

  private static final int REPLY = 16;
  private static final int AT_ONCE = 2;

  private WarmUp() {}

  static void run(Engine engine) {
    long deadline = System.nanoTime() + TIME.toNanos();
    render(engine);
    int room = engine.scheduler().maxContext();
    round(engine, 1, Math.min(8, room - 1), 1);
    while (System.nanoTime() < deadline && room >= PROMPT + REPLY) {
      round(engine, AT_ONCE, PROMPT, REPLY);
    }
  }

  /** A template may refuse these messages; that is for requests to be told. */
  private static void render(Engine engine) {
    ArrayNode messages = Json.object().putArray("messages");
    messages.addObject().put("role", "user").put("content", "Hello!");
    engine
        .template()
        .ifPresent(t -> {
          try {
            t.encode(Conversation.of(messages), engine.tokenizer());
          } catch (TemplateException e) {
            return;
          }
        });
  }

  private static void round(Engine engine, int sequences, int prompt, int reply) {
    int[] ids = new int[prompt];
    Arrays.setAll(ids, i -> i % engine.config().vocabSize());
    List<CompletableFuture<Void>> all = new ArrayList<>();
    for (int i = 0; i < sequences; i++) {
      CompletableFuture<Void> over = new CompletableFuture<>();
      GenerationRequest r =
          GenerationRequest.of(ids, reply).sampling(new Sampler.Settings(1, 0, 1, 0, i));
      engine.scheduler().submit(r, new Over(over));
      all.add(over);
    }
    try {
      all.forEach(CompletableFuture::join);
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException why ? why : e;
    }
  }

  /** Waits for the end of a reply only. */
  private record Over(CompletableFuture<Void> future) implements GenerationListener {
    @Override
    public void started(int cachedTokens) {}

    @Override
    public void prompt(int id, Optional<TokenLogprobs> logprobs) {}

    @Override
    public void token(int id, Optional<TokenLogprobs> logprobs) {}

    @Override
    public void finished(Finish finish, Usage usage) {
      future.complete(null);
    }

    @Override
    public void failed(RuntimeException why) {
      future.completeExceptionally(why);
    }
  }
}
