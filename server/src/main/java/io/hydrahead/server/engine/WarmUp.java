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
  /** Small models are done sooner, large ones after their first steps. */
  private static final Duration MOST = Duration.ofMillis(2500);

  /** Prompt and reply are less than a block of the prefix cache, which then keeps nothing. */
  private static final int PROMPT = 40;

  private static final int REPLY = 16;
  private static final int AT_ONCE = 4;

  private WarmUp() {}

  static void run(Engine engine) {
    long deadline = System.nanoTime() + MOST.toNanos();
    render(engine);
    int room = engine.scheduler().maxContext();
    int few = Math.min(8, room - 1);
    round(engine, 1, few, 1);
    boolean large = round(engine, 1, few, 1) > MOST.toNanos() / 8;
    if (large || room < PROMPT + REPLY) {
      return;
    }
    long best = Long.MAX_VALUE;
    for (int steady = 0; steady < 3 && System.nanoTime() < deadline; ) {
      long nanos = round(engine, AT_ONCE, PROMPT, REPLY);
      steady = nanos < best * 0.95 ? 0 : steady + 1;
      best = Math.min(best, nanos);
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

  /** Nanoseconds that it took. */
  private static long round(Engine engine, int sequences, int prompt, int reply) {
    long start = System.nanoTime();
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
    return System.nanoTime() - start;
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
