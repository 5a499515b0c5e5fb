package io.hydrahead.server;

import static java.util.stream.Collectors.joining;

import io.helidon.common.buffers.DataReader;
import io.helidon.http.HeaderNames;
import io.helidon.http.RequestException;
import io.helidon.http.Status;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import io.hydrahead.json.Excerpt;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.plan.MemoryPlan;
import io.hydrahead.server.api.ApiException;
import io.hydrahead.server.api.Bodies;
import io.hydrahead.server.api.ChatRequest;
import io.hydrahead.server.api.CompletionRequest;
import io.hydrahead.server.api.CompletionRequest.Prompt;
import io.hydrahead.server.api.ModelFacts;
import io.hydrahead.server.api.Models;
import io.hydrahead.server.api.SamplingFields;
import io.hydrahead.server.api.ServerState;
import io.hydrahead.server.api.TokenizerBodies;
import io.hydrahead.server.engine.Constraint;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.server.engine.GenerationRequest;
import io.hydrahead.server.engine.JsonConstraint;
import io.hydrahead.server.engine.Scheduler;
import io.hydrahead.tokenizer.AddedToken;
import io.hydrahead.tokenizer.ChatTemplate;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/** The server's endpoints. */
final class Api {
  private final Engine engine;
  private final ServerOptions options;
  private final ServerMetrics metrics;
  private final Gate gate;
  private final Set<Integer> eos;
  private final Constraint.Maker json;
  private final long started = System.nanoTime();

  Api(Engine engine, ServerOptions options, ServerMetrics metrics, Gate gate) {
    this.engine = engine;
    this.options = options;
    this.metrics = metrics;
    this.gate = gate;
    this.eos = new HashSet<>(engine.config().eosTokenIds());
    this.json = JsonConstraint.maker(engine.tokenizer(), engine.config().vocabSize());
  }

  /** {@code POST /v1/chat/completions}. */
  void chat(ServerRequest request, ServerResponse response) {
    ChatRequest r = ChatRequest.read(body(request), options.limits());
    requireModel(r.model());
    Prompts.Prompt chat = Prompts.chat(engine, r.messages(), r.tools(), r.variables(), true);
    int[] prompt = chat.ids();
    int room = engine.scheduler().maxContext() - prompt.length;
    int most = r.maxTokens().orElse(Math.clamp(room, 1, options.limits().reply()));
    requireFits(prompt.length, most, "messages", r.limitField());
    requireKnown(r.sampling());
    List<GenerationRequest> sequences = new ArrayList<>();
    for (int i = 0; i < r.sampling().choices(); i++) {
      GenerationRequest g =
          r.sampling().request(prompt, most, i, eos).logprobs(r.logprobs(), false);
      sequences.add(r.json() ? g.constraint(json) : g);
    }
    tellIgnored(response, r.ignored(), chat.ignored());
    HttpAnswer answer = new HttpAnswer(request, response, r.sampling().stream());
    ChatReplies replies = new ChatReplies(engine, answer, r, metrics, prompt);
    run(sequences, replies, answer, replies::close);
  }

  /** {@code POST /v1/completions}. */
  void complete(ServerRequest request, ServerResponse response) {
    CompletionRequest r = CompletionRequest.read(body(request), options.limits());
    requireModel(r.model());
    requireKnown(r.sampling());
    List<int[]> prompts = new ArrayList<>();
    List<GenerationRequest> sequences = new ArrayList<>();
    for (Prompt p : r.prompts()) {
      String field = r.prompts().size() == 1 ? "prompt" : "prompt[" + prompts.size() + "]";
      int[] ids = ids(p, field);
      requireFits(ids.length, r.maxTokens(), field, "max_tokens");
      prompts.add(ids);
      for (int i = 0; i < r.sampling().choices(); i++) {
        sequences.add(
            r.sampling()
                .request(ids, r.maxTokens(), i, eos)
                .logprobs(r.logprobs(), r.echo() && r.logprobs() >= 0));
      }
    }
    tellIgnored(response, r.ignored(), List.of());
    HttpAnswer answer = new HttpAnswer(request, response, r.sampling().stream());
    CompletionReplies replies = new CompletionReplies(engine, answer, r, metrics, prompts);
    run(sequences, replies, answer, replies::close);
  }

  private void run(
      List<GenerationRequest> sequences, Replies replies, HttpAnswer answer, Runnable close) {
    try {
      gate.reply(() -> {
        SequenceGroup.run(
            engine.scheduler(), sequences, replies, options.heartbeat(), options.timeLimit());
        replies.over();
        close.run();
      });
    } catch (ClientGoneException gone) {
      throw gone;
    } catch (RuntimeException e) {
      if (!answer.begun()) {
        throw e;
      }
      answer.fail(Gate.translate(e));
    } finally {
      replies.over();
    }
  }

  private void requireModel(Optional<String> name) {
    name.filter(n -> !n.equals(engine.name()))
        .ifPresent(n -> {
          throw ApiException.noModel(n, engine.name());
        });
  }

  private int[] ids(Prompt prompt, String field) {
    int[] ids =
        switch (prompt) {
          case Prompt.Text t -> engine.tokenizer().encode(t.text());
          case Prompt.Ids i -> i.ids();
        };
    if (ids.length == 0) {
      throw ApiException.invalid(field, "'" + field + "' is empty; give at least one token.");
    }
    for (int id : ids) {
      requireKnown(field, id);
    }
    return ids;
  }

  private void requireKnown(SamplingFields sampling) {
    sampling.edits().bias().keySet().forEach(id -> requireKnown("logit_bias", id));
    sampling.stopIds().forEach(id -> requireKnown("stop_token_ids", id));
  }

  private void requireKnown(String field, int id) {
    int vocabulary = engine.config().vocabSize();
    if (id < 0 || id >= vocabulary) {
      throw ApiException.invalid(
          field,
          "'%s' has the token id %d; this model's are from 0 to %d."
              .formatted(field, id, vocabulary - 1));
    }
  }

  /** Before any work, so that of several prompts none is read in vain. */
  private void requireFits(int prompt, int most, String promptField, String limitField) {
    int context = engine.scheduler().maxContext();
    if ((long) prompt + most > context) {
      throw ApiException.invalid(
          prompt < context ? limitField : promptField,
          new Scheduler.ContextException(prompt, most, context).getMessage(),
          "context_length_exceeded");
    }
  }

  private static void tellIgnored(
      ServerResponse response, List<String> fields, List<String> ofMessages) {
    String all = Stream.concat(fields.stream(), ofMessages.stream()).collect(joining(", "));
    if (!all.isEmpty()) {
      response.header("X-HydraHead-Ignored", all);
    }
  }

  /** The request's body, read no further than is allowed. */
  private JsonNode body(ServerRequest request) {
    String type = request.headers().first(HeaderNames.CONTENT_TYPE).orElse("");
    if (!type.toLowerCase(Locale.ROOT).startsWith(HttpAnswer.JSON)) {
      throw ApiException.of(
          415,
          "invalid_request_error",
          "Send the body as Content-Type: application/json"
              + (type.isEmpty() ? "; it has none." : ", not " + Excerpt.of(type) + "."),
          "unsupported_media_type");
    }
    int most = (int) Math.min(options.maxBodyBytes(), Integer.MAX_VALUE - 16);
    return Bodies.read(bytes(request, most));
  }

  private byte[] bytes(ServerRequest request, int most) {
    try (InputStream in = request.content().inputStream()) {
      byte[] bytes = in.readNBytes(most + 1);
      if (bytes.length > most) {
        throw ApiException.tooLarge(options.maxBodyBytes());
      }
      return bytes;
    } catch (IOException | DataReader.InsufficientDataAvailableException e) {
      throw ApiException.unreadable("The body cannot be read to its end.");
    } catch (RequestException | IllegalArgumentException e) {
      if (e instanceof RequestException r
          && r.status().code() == Status.REQUEST_ENTITY_TOO_LARGE_413.code()) {
        throw r;
      }
      throw ApiException.unreadable(
          "A chunk of the body is not valid: with Transfer-Encoding: chunked each begins with its"
              + " size in hexadecimal on a line of its own, and one of size 0 is the last.");
    }
  }

  private Models.Model served() {
    return new Models.Model(
        engine.name(),
        "model",
        engine.loaded().getEpochSecond(),
        "hydrahead",
        engine.scheduler().maxContext());
  }

  /** {@code GET /v1/models}. */
  void models(ServerRequest request, ServerResponse response) {
    new HttpAnswer(request, response, false).body(new Models("list", List.of(served())));
  }

  /** {@code GET /v1/models/{id}}. */
  void model(ServerRequest request, ServerResponse response) {
    requireModel(Optional.of(request.path().pathParameters().get("id")));
    new HttpAnswer(request, response, false).body(served());
  }

  /** {@code POST /tokenize}. */
  void tokenize(ServerRequest request, ServerResponse response) {
    TokenizerBodies.Tokenize r = TokenizerBodies.Tokenize.read(body(request), options.limits());
    requireModel(r.model());
    Prompts.Prompt prompt =
        r.messages().isPresent()
            ? Prompts.chat(engine, r.messages().get(), r.tools(), r.variables(), r.reply())
            : new Prompts.Prompt(
                engine.tokenizer().encode(r.prompt().orElseThrow(), r.parseSpecial()), List.of());
    int[] ids = prompt.ids();
    TokenSpelling spelling = new TokenSpelling(engine.tokenizer());
    Optional<List<String>> spelled =
        r.spelled()
            ? Optional.of(Arrays.stream(ids).mapToObj(spelling::text).toList())
            : Optional.empty();
    tellIgnored(response, r.ignored(), prompt.ignored());
    new HttpAnswer(request, response, false)
        .body(
            new TokenizerBodies.Tokens(
                ids.length,
                engine.scheduler().maxContext(),
                Arrays.stream(ids).boxed().toList(),
                spelled));
  }

  /** {@code POST /detokenize}. */
  void detokenize(ServerRequest request, ServerResponse response) {
    TokenizerBodies.Detokenize r = TokenizerBodies.Detokenize.read(body(request));
    requireModel(r.model());
    int[] ids = r.tokens().stream().mapToInt(i -> i).toArray();
    for (int id : ids) {
      requireKnown("tokens", id);
    }
    new HttpAnswer(request, response, false)
        .body(new TokenizerBodies.Text(engine.tokenizer().decode(ids)));
  }

  /** {@code GET /tokenizer_info}. */
  void tokenizerInfo(ServerRequest request, ServerResponse response) {
    List<TokenizerBodies.Info.Special> special =
        engine.tokenizer().addedTokens().stream()
            .filter(AddedToken::special)
            .map(t -> new TokenizerBodies.Info.Special(t.id(), t.content()))
            .toList();
    new HttpAnswer(request, response, false)
        .body(
            new TokenizerBodies.Info(
                "byte-level BPE",
                engine.config().vocabSize(),
                engine.scheduler().maxContext(),
                engine.config().eosTokenIds(),
                special,
                engine.template().map(ChatTemplate::source)));
  }

  /** {@code GET /v1/hydrahead/model}: what the model is, and what texts take in it. */
  void facts(ServerRequest request, ServerResponse response) {
    ModelConfig c = engine.config();
    MemoryPlan m = engine.memory();
    boolean plain = engine.plan().isAllFull();
    String other = plain ? "none" : engine.style().windowed() ? "window" : "gated_delta";
    ModelFacts.Memory memory =
        new ModelFacts.Memory(
            m.kvBytesPerToken(),
            m.windowBytesPerToken(),
            m.windowTokens(),
            m.stateBytes(),
            engine.vanillaMemory().kvBytesPerToken());
    new HttpAnswer(request, response, false)
        .body(
            new ModelFacts(
                engine.name(),
                engine.template().isPresent(),
                engine.templateSource(),
                engine.scheduler().maxContext(),
                c.maxPositionEmbeddings(),
                c.layers(),
                c.heads(),
                c.kvHeads(),
                c.headDim(),
                engine.plan().toLists(),
                other,
                memory));
  }

  /** {@code GET /v1/hydrahead/state}: how things stand. */
  void state(ServerRequest request, ServerResponse response) {
    Scheduler.Status s = engine.scheduler().status();
    Scheduler.Caches c = s.caches();
    response.header(HeaderNames.CACHE_CONTROL, "no-store");
    new HttpAnswer(request, response, false)
        .body(
            new ServerState(
                (System.nanoTime() - started) / 1_000_000,
                s.waiting(),
                s.running(),
                metrics.promptTokens(),
                metrics.cachedTokens(),
                metrics.tokensSoFar(),
                metrics.cacheLookups(),
                metrics.cacheHits(),
                c.tokens(),
                c.kvBytes(),
                c.kvBytesTotal(),
                c.stateBytes(),
                c.stateBytesTotal(),
                c.tokens() * engine.vanillaMemory().kvBytesPerToken()));
  }

  /** {@code GET /health}: whether the server works. */
  void health(ServerRequest request, ServerResponse response) {
    if (!engine.scheduler().status().alive()) {
      throw ApiException.of(
          503, "server_error", "The scheduler has stopped.", "service_unavailable");
    }
    new HttpAnswer(request, response, false).body(Map.of("status", "ok"));
  }

  /** {@code GET /ready}: whether it takes requests. */
  void ready(ServerRequest request, ServerResponse response) {
    if (gate.isClosing() || !engine.scheduler().status().alive()) {
      throw ApiException.shuttingDown();
    }
    new HttpAnswer(request, response, false).body(Map.of("status", "ready"));
  }

  /** {@code GET /metrics}. */
  void metrics(ServerRequest request, ServerResponse response) {
    response.header(HeaderNames.CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    HttpAnswer.send(request, response, metrics.scrape().getBytes(StandardCharsets.UTF_8));
  }

  /** Everything else. */
  void nothing(ServerRequest request, ServerResponse response) {
    throw ApiException.noPath(request.prologue().method().text(), request.path().path());
  }
}
