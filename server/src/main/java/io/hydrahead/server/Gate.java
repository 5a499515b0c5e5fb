package io.hydrahead.server;

import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.http.HttpException;
import io.helidon.http.Status;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.http.Filter;
import io.helidon.webserver.http.FilterChain;
import io.helidon.webserver.http.RoutingRequest;
import io.helidon.webserver.http.RoutingResponse;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import io.hydrahead.json.Json;
import io.hydrahead.server.api.ApiException;
import io.hydrahead.server.engine.Scheduler.ClosedException;
import io.hydrahead.server.engine.Scheduler.ContextException;
import io.hydrahead.server.engine.Scheduler.OverloadedException;
import io.hydrahead.tensor.InputException;
import java.lang.System.Logger.Level;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Phaser;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import tools.jackson.databind.node.ObjectNode;

/**
 * What every request goes through: who may come in, what is written of it in the log, and what
 * errors look like. Errors never show paths, addresses or the program's insides.
 */
final class Gate implements Filter {
  private static final System.Logger LOG = System.getLogger("io.hydrahead.server");
  private static final Set<String> OPEN = Set.of("/health", "/ready");
  private static final String STATE = "/v1/hydrahead/state";
  private static final Set<String> KNOWN =
      Set.of(
          "/v1/chat/completions",
          "/v1/completions",
          "/v1/models",
          "/v1/hydrahead/model",
          STATE,
          "/",
          "/tokenize",
          "/detokenize",
          "/tokenizer_info",
          "/health",
          "/ready",
          "/metrics");

  private final ServerOptions options;
  private final ServerMetrics metrics;

  /** Whether only names of this very machine may stand in a request's Host. */
  private final boolean local;

  private volatile boolean closing;

  /** The server itself, and every request whose reply is being made. */
  private final Phaser underWay = new Phaser(1);

  Gate(ServerOptions options, InetAddress address, ServerMetrics metrics) {
    this.options = options;
    this.metrics = metrics;
    this.local = address.isLoopbackAddress() && options.apiKey().isEmpty();
  }

  /**
   * From now on the server is not ready and begins no reply.
   *
   * @param patience how long to wait for those that were begun
   * @return whether all of them are over
   */
  boolean close(Duration patience) {
    closing = true;
    try {
      underWay.awaitAdvanceInterruptibly(
          underWay.arriveAndDeregister(), patience.toNanos(), TimeUnit.NANOSECONDS);
      return true;
    } catch (TimeoutException late) {
      LOG.log(Level.INFO, "replies that are not over are cut off");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return false;
  }

  /**
   * Makes a reply, all of its sequences, for which {@link #close} waits.
   *
   * @throws ApiException 503 if the server is closing
   */
  void reply(Runnable work) {
    if (closing || underWay.register() < 0) {
      throw ApiException.shuttingDown();
    }
    try {
      work.run();
    } finally {
      underWay.arriveAndDeregister();
    }
  }

  boolean isClosing() {
    return closing;
  }

  @Override
  public void filter(FilterChain chain, RoutingRequest request, RoutingResponse response) {
    long start = System.nanoTime();
    boolean gone = false;
    try {
      admit(request);
      chain.proceed();
    } catch (ApiException refused) {
      fail(request, response, refused);
    } catch (ClientGoneException e) {
      gone = true;
      throw e; // for the web server, which closes its side
    } finally {
      log(request, response, System.nanoTime() - start, gone);
    }
    // Helidon 4.5.0 says that it closes then, and does not (its issue 12324).
    boolean asked = request.headers().contains(HeaderValues.CONNECTION_CLOSE);
    if (response.isSent()
        && (asked || response.headers().contains(HeaderValues.CONNECTION_CLOSE))) {
      throw new CloseConnectionException("as the client wants it, or its body demands");
    }
  }

  private void admit(ServerRequest request) {
    String path = request.path().path();
    if (local && !isLocal(request.headers().first(HeaderNames.HOST).orElse(""))) {
      throw ApiException.of(
          403,
          "invalid_request_error",
          "This server is for its own machine only, as 127.0.0.1 or localhost; started with --host"
              + " and a key it serves others, too.",
          "forbidden");
    }
    if (options.apiKey().isEmpty() || OPEN.contains(path) || Page.has(path)) {
      return;
    }
    String given = request.headers().first(HeaderNames.AUTHORIZATION).orElse("");
    String wanted = "Bearer " + options.apiKey().get();
    byte[] a = given.getBytes(StandardCharsets.UTF_8);
    byte[] b = wanted.getBytes(StandardCharsets.UTF_8);
    if (!MessageDigest.isEqual(a, b)) {
      throw ApiException.of(
          401,
          "authentication_error",
          given.isEmpty()
              ? "Give the server's API key as 'Authorization: Bearer …'."
              : "This is not the server's API key; give that as 'Authorization: Bearer …'.",
          "invalid_api_key");
    }
  }

  /** A page in a browser can send requests here, under a name that its author had point here. */
  private static boolean isLocal(String authority) {
    String host = authority.toLowerCase(Locale.ROOT);
    int port = host.lastIndexOf(':');
    if (port > host.lastIndexOf(']')) {
      host = host.substring(0, port);
    }
    return host.equals("localhost") || host.equals("[::1]") || host.matches("127(\\.\\d{1,3}){3}");
  }

  private void log(ServerRequest request, ServerResponse response, long nanos, boolean gone) {
    String path = request.path().path();
    String known = known(path);
    Optional<String> error = HttpAnswer.error(request);
    metrics.request(known, response.status().code(), gone ? "gone" : error.orElse("ok"), nanos);
    if (path.equals(STATE) && response.status().code() == 200) {
      return; // the page asks all the time
    }
    ObjectNode line = Json.object();
    line.put("time", Instant.now().toString());
    line.put("method", request.prologue().method().text());
    line.put("path", known);
    line.put("status", response.status().code());
    error.ifPresent(code -> line.put("error", code));
    line.put("ms", nanos / 1_000_000);
    if (gone) {
      line.put("client", "gone");
    }
    options.accessLog().accept(line.toString());
  }

  private static String known(String path) {
    if (KNOWN.contains(path)) {
      return path;
    }
    if (Page.has(path)) {
      return "/page";
    }
    return path.startsWith("/v1/models/") ? "/v1/models" : "other";
  }

  /** Answers with an error. */
  void fail(ServerRequest request, ServerResponse response, Throwable why) {
    ApiException e = translate(why);
    if (!response.isSent()) {
      response.headers().clear();
      try {
        new HttpAnswer(request, response, false).fail(e);
      } catch (ClientGoneException nobody) {
        LOG.log(Level.DEBUG, "an error that nobody waits for", nobody);
      }
    }
  }

  /** What the client is told about {@code why}. */
  static ApiException translate(Throwable why) {
    return switch (why) {
      case ApiException e -> e;
      case ContextException e ->
          ApiException.invalid("", e.getMessage(), "context_length_exceeded");
      case OverloadedException e ->
          ApiException.of(429, "rate_limit_error", e.getMessage(), "overloaded");
      case ClosedException e -> ApiException.shuttingDown();
      case InputException e -> ApiException.invalid("", e.getMessage());
      case HttpException e when e.status().code() < 500 -> http(e.status());
      default -> {
        LOG.log(Level.ERROR, "a request failed", why);
        yield ApiException.of(
            500, "server_error", "The server failed on this request.", "internal_error");
      }
    };
  }

  private static ApiException http(Status status) {
    return ApiException.of(
        status.code(), "invalid_request_error", status.reasonPhrase() + ".", "bad_request");
  }
}
