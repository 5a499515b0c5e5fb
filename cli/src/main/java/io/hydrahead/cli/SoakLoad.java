package io.hydrahead.cli;

import io.hydrahead.json.Excerpt;
import io.hydrahead.json.Json;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.random.RandomGenerator;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Clients of a server that go on asking over HTTP, each for one thing after the other, and look at
 * what comes. A request is lost if it has no answer, one that breaks off, or another than it ought
 * to have.
 */
final class SoakLoad implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final int TOLD = 20;
  private static final String TEXT = "/v1/completions";
  private static final String CHAT = "/v1/chat/completions";

  /** What clients do, and how often of a hundred times. */
  enum Kind {
    COMPLETION(22),
    STREAM(22),
    CHAT(12),
    CHAT_STREAM(10),
    SCORING(4),
    SEVERAL(4),
    LEAVES_A_STREAM(8),
    LEAVES_AT_ONCE(4),
    WRONG(8),
    LOOKS(6);

    private final int weight;

    Kind(int weight) {
      this.weight = weight;
    }

    static Kind draw(int of100) {
      int left = of100;
      for (Kind k : values()) {
        left -= k.weight;
        if (left < 0) {
          return k;
        }
      }
      throw new IllegalStateException("the weights do not add up to 100");
    }
  }

  private final URI server;
  private final boolean chats;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final HttpClient http =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).executor(threads).build();
  private final Map<Kind, LongAdder> done = new EnumMap<>(Kind.class);
  private final LongAdder tokens = new LongAdder();
  private final LongAdder lost = new LongAdder();
  private final List<String> losses = new ArrayList<>();
  private final List<Thread> clients = new ArrayList<>();
  private volatile boolean stopping;

  /**
   * Begins.
   *
   * @param chats whether the model has a chat template
   */
  SoakLoad(URI server, boolean chats, int count, int vocabulary, int context) {
    this.server = server;
    this.chats = chats;
    for (Kind k : Kind.values()) {
      done.put(k, new LongAdder());
    }
    for (int i = 0; i < count; i++) {
      SoakRequests requests = new SoakRequests(i, vocabulary, context);
      clients.add(Thread.ofVirtual().start(() -> askOn(requests)));
    }
  }

  private void askOn(SoakRequests requests) {
    while (!stopping) {
      Kind kind = Kind.draw(requests.draw(100));
      if (!chats && (kind == Kind.CHAT || kind == Kind.CHAT_STREAM)) {
        kind = Kind.COMPLETION;
      }
      try {
        ask(kind, requests);
        done.get(kind).increment();
      } catch (IOException | RuntimeException e) {
        lose(kind + ": " + e);
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  private void lose(String why) {
    lost.increment();
    synchronized (losses) {
      if (losses.size() < TOLD) {
        losses.add(why);
      }
    }
  }

  private void ask(Kind kind, SoakRequests r) throws IOException, InterruptedException {
    switch (kind) {
      case COMPLETION -> whole(TEXT, r.completion(false), 1);
      case SCORING -> whole(TEXT, r.scoring(), 1);
      case SEVERAL -> whole(TEXT, r.several(), 4);
      case CHAT -> whole(CHAT, r.chat(false), 1);
      case STREAM -> stream(TEXT, r.completion(true));
      case CHAT_STREAM -> stream(CHAT, r.chat(true));
      case LEAVES_A_STREAM -> leave(r.endless(), r.draw(6));
      case LEAVES_AT_ONCE -> leaveAtOnce(r.endless(), r.draw(3));
      case WRONG -> wrong(r.wrong());
      case LOOKS -> look(r.draw(4));
    }
  }

  private HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(server.resolve(path))
        .timeout(PATIENCE)
        .header("Content-Type", "application/json");
  }

  private HttpRequest post(String path, ObjectNode body) {
    return request(path).POST(BodyPublishers.ofString(body.toString())).build();
  }

  private void whole(String path, ObjectNode body, int choices)
      throws IOException, InterruptedException {
    HttpResponse<String> reply = http.send(post(path, body), BodyHandlers.ofString());
    require(reply.statusCode() == 200, reply.statusCode() + " " + reply.body());
    JsonNode answer = Json.parse(reply.body(), "reply");
    require(answer.path("choices").size() == choices, reply.body());
    for (JsonNode choice : answer.path("choices")) {
      require(choice.path("finish_reason").isString(), reply.body());
    }
    count(answer.path("usage"), body, choices);
  }

  /** The usage must say what was asked for where nothing can end a reply before. */
  private void count(JsonNode usage, ObjectNode body, int choices) {
    long replied = usage.path("completion_tokens").longValue(-1);
    long most = choices * body.path("max_tokens").longValue();
    boolean all = body.path("ignore_eos").asBoolean(false);
    all &= !body.has("stop") && !body.has("response_format");
    require(replied >= 0 && replied <= most && (!all || replied == most), usage + " of " + most);
    tokens.add(replied);
  }

  private void stream(String path, ObjectNode body) throws IOException, InterruptedException {
    HttpResponse<String> reply = http.send(post(path, body), BodyHandlers.ofString());
    require(reply.statusCode() == 200, reply.statusCode() + " " + reply.body());
    require(reply.body().endsWith("data: [DONE]\n\n"), "the stream breaks off");
    JsonNode usage = null;
    boolean finished = false;
    for (String event : reply.body().split("\n\n")) {
      if (event.startsWith("data: {")) {
        JsonNode data = Json.parse(event.substring("data: ".length()), "event");
        require(!data.has("error"), event);
        finished |= data.path("choices").path(0).path("finish_reason").isString();
        usage = data.has("usage") && data.path("usage").isObject() ? data.path("usage") : usage;
      }
    }
    require(finished && usage != null, "the stream has no end or no usage");
    count(usage, body, 1);
  }

  /** Reads a few events and goes. */
  private void leave(ObjectNode body, int events) throws IOException, InterruptedException {
    HttpResponse<InputStream> reply = http.send(post(TEXT, body), BodyHandlers.ofInputStream());
    try (InputStream in = reply.body();
        BufferedReader lines =
            new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      require(reply.statusCode() == 200, "status " + reply.statusCode());
      for (int i = 0; i < 2 * events; i++) {
        require(lines.readLine() != null, "the stream breaks off");
      }
    }
  }

  /** Goes before anything has come: in the middle of the body, behind it, or a moment later. */
  private void leaveAtOnce(ObjectNode body, int when) throws IOException, InterruptedException {
    byte[] bytes = body.toString().getBytes(StandardCharsets.UTF_8);
    String head =
        "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            .formatted(TEXT, server.getAuthority(), bytes.length);
    try (Socket socket = new Socket(server.getHost(), server.getPort())) {
      socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
      socket.getOutputStream().write(bytes, 0, when == 0 ? bytes.length / 2 : bytes.length);
      socket.getOutputStream().flush();
      if (when == 2) {
        Thread.sleep(RandomGenerator.getDefault().nextInt(20));
      }
    }
  }

  private void wrong(SoakRequests.Wrong w) throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(server.resolve(w.path()))
            .timeout(PATIENCE)
            .header("Content-Type", w.type())
            .method(w.method(), BodyPublishers.ofString(w.body()))
            .build();
    HttpResponse<String> reply = http.send(request, BodyHandlers.ofString());
    boolean told = Json.parse(reply.body(), "error").path("error").path("message").isString();
    require(
        reply.statusCode() == w.status() && told,
        w.body() + " has " + reply.statusCode() + ", not " + w.status() + ": " + reply.body());
  }

  private void look(int which) throws IOException, InterruptedException {
    String path =
        switch (which) {
          case 0 -> "/metrics";
          case 1 -> "/v1/hydrahead/state";
          case 2 -> "/health";
          default -> "/v1/models";
        };
    HttpResponse<String> reply = http.send(request(path).GET().build(), BodyHandlers.ofString());
    require(reply.statusCode() == 200, path + " has " + reply.statusCode());
  }

  private static void require(boolean good, String otherwise) {
    if (!good) {
      throw new IllegalStateException(Excerpt.of(otherwise, 500));
    }
  }

  /** Requests that had what they ought to have. */
  long done() {
    return done.values().stream().mapToLong(LongAdder::sum).sum();
  }

  long done(Kind kind) {
    return done.get(kind).sum();
  }

  /** Tokens of replies that clients have seen to the end. */
  long tokens() {
    return tokens.sum();
  }

  long lost() {
    return lost.sum();
  }

  /** What happened to the first few that were lost. */
  List<String> losses() {
    synchronized (losses) {
      return List.copyOf(losses);
    }
  }

  /** Lets every client end what it is at. One that does not within its patience is lost. */
  void stop() throws InterruptedException {
    stopping = true;
    long end = System.nanoTime() + PATIENCE.toNanos();
    for (Thread t : clients) {
      if (!t.join(Duration.ofNanos(Math.max(1, end - System.nanoTime())))) {
        lose("a client waits for ever");
        t.interrupt();
      }
    }
  }

  @Override
  public void close() {
    stopping = true;
    clients.forEach(Thread::interrupt);
    http.shutdownNow();
    threads.shutdownNow();
    try {
      threads.awaitTermination(10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
