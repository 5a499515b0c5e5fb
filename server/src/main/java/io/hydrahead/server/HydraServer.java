package io.hydrahead.server;

import io.helidon.http.Method;
import io.helidon.webserver.ErrorHandling;
import io.helidon.webserver.WebServer;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http1.Http1Config;
import io.hydrahead.server.api.ApiException;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.ServerSocket;
import java.net.SocketException;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;

/**
 * A running server: OpenAI's API at {@code /v1}, a page to chat at {@code /}, and {@code /health},
 * {@code /ready} and {@code /metrics} for who runs it. {@code server/API.md} has every field.
 * Errors of requests are answers in OpenAI's form, with status 400 … 504, never exceptions here.
 */
public final class HydraServer implements AutoCloseable {
  private final Engine engine;
  private final ServerOptions options;
  private final ServerMetrics metrics;
  private final Gate gate;
  private final WebServer web;
  private volatile boolean drained;

  private HydraServer(Engine engine, ServerOptions options) {
    InetAddress address = check(options);
    this.engine = engine;
    this.options = options;
    metrics = new ServerMetrics(engine.scheduler());
    gate = new Gate(options, address, metrics);
    Api api = new Api(engine, options, metrics, gate);
    web =
        WebServer.builder()
            .address(address)
            .port(options.port())
            .shutdownHook(false)
            .maxPayloadSize(options.maxBodyBytes())
            .shutdownGracePeriod(Duration.ofSeconds(1))
            .featuresDiscoverServices(false)
            .protocolsDiscoverServices(false)
            .addProtocol(
                Http1Config.builder()
                    .maxPrologueLength(HttpFaults.MOST_PROLOGUE)
                    .maxHeadersSize(HttpFaults.MOST_HEADERS)
                    .build())
            .directHandlers(HttpFaults.handlers(options.maxBodyBytes()))
            .errorHandling(ErrorHandling.builder().includeEntity(true).build())
            .routing(r -> route(r, api))
            .build();
  }

  /**
   * Starts to serve {@code engine}, which stays the caller's to close, after the server. Returns
   * when requests are taken; they run on threads of the server's.
   *
   * @throws InputException if the address does not exist, its port is in use, or others than this
   *     machine could get in without a key
   */
  public static HydraServer start(Engine engine, ServerOptions options) {
    HydraServer server = new HydraServer(engine, options);
    server.web.start();
    if (!server.web.isRunning() || server.port() < 0) {
      server.metrics.close();
      throw cannotListen(check(options), options.port(), null);
    }
    return server;
  }

  /**
   * Whether {@code options} make sense and the port is free, before anything is loaded.
   *
   * @throws InputException if the address does not exist or is not this machine's, its port is in
   *     use, or others could get in without a key
   */
  public static InetAddress check(ServerOptions options) {
    InetAddress address = address(options.host());
    if (!address.isLoopbackAddress() && options.apiKey().isEmpty()) {
      throw new InputException(
          "serving at "
              + options.host()
              + " lets others in: give an API key (HYDRAHEAD_API_KEY), or serve at 127.0.0.1");
    }
    requireFree(address, options.port());
    return address;
  }

  /** Helidon logs a port that is taken, and goes on. */
  private static void requireFree(InetAddress address, int port) {
    try (ServerSocket trial = new ServerSocket()) {
      trial.setReuseAddress(true);
      trial.bind(new InetSocketAddress(address, port));
    } catch (IOException e) {
      throw cannotListen(address, port, e);
    }
  }

  private static InputException cannotListen(InetAddress address, int port, IOException why) {
    String fix =
        isOurs(address)
            ? "take another port, or 0 for any that is free"
            : "this machine has no such address; 127.0.0.1 is its own, 0.0.0.0 stands for all";
    return new InputException(
        "cannot listen at %s:%d%s; %s"
            .formatted(
                address.getHostAddress(), port, why == null ? "" : ": " + why.getMessage(), fix),
        why);
  }

  private static boolean isOurs(InetAddress address) {
    try {
      return address.isAnyLocalAddress() || NetworkInterface.getByInetAddress(address) != null;
    } catch (SocketException e) {
      return true;
    }
  }

  private static InetAddress address(String host) {
    if (host.isBlank()) {
      throw new InputException(
          "the host to listen at is empty; write an address such as 127.0.0.1");
    }
    try {
      return InetAddress.getByName(host);
    } catch (UnknownHostException e) {
      throw new InputException(host + ": no such host; write an address such as 127.0.0.1", e);
    }
  }

  private void route(HttpRouting.Builder r, Api api) {
    r.addFilter(gate);
    route(r, Method.POST, "/v1/chat/completions", api::chat);
    route(r, Method.POST, "/v1/completions", api::complete);
    route(r, Method.GET, "/v1/models", api::models);
    route(r, Method.GET, "/v1/models/{+id}", api::model);
    route(r, Method.POST, "/tokenize", api::tokenize);
    route(r, Method.POST, "/detokenize", api::detokenize);
    route(r, Method.GET, "/v1/hydrahead/model", api::facts);
    route(r, Method.GET, "/v1/hydrahead/state", api::state);
    route(r, Method.GET, "/tokenizer_info", api::tokenizerInfo);
    route(r, Method.GET, "/health", api::health);
    route(r, Method.GET, "/ready", api::ready);
    route(r, Method.GET, "/metrics", api::metrics);
    route(r, Method.GET, "/", Page::get);
    route(r, Method.GET, "/page/{name}", Page::get);
    r.any(api::nothing).error(Throwable.class, gate::fail);
  }

  /** A path that takes one method, and HEAD where that is GET; others are told which. */
  private static void route(HttpRouting.Builder r, Method method, String path, Handler handler) {
    boolean get = method.equals(Method.GET);
    if (get) {
      r.route(Method.HEAD, path, handler);
    }
    r.route(method, path, handler)
        .any(
            path,
            (request, response) -> {
              throw ApiException.notAllowed(get ? "GET, HEAD" : method.text());
            });
  }

  /** The port it listens at, also where {@link ServerOptions#port} was 0. */
  public int port() {
    return web.port();
  }

  /** Where clients find it: {@code http://host:port}, without the {@code /v1}. */
  public URI uri() {
    String host = options.host().contains(":") ? "[" + options.host() + "]" : options.host();
    return URI.create("http://" + host + ":" + port());
  }

  /**
   * Takes no more requests, lets those under way end for at most {@link ServerOptions#drain}, and
   * stops.
   */
  @Override
  public void close() {
    long start = System.nanoTime();
    drained = gate.close(options.drain());
    engine.scheduler().drain(options.drain().minusNanos(System.nanoTime() - start));
    web.stop();
    metrics.close();
  }

  /** Whether {@link #close} has let every reply under way end; false before, and if it cut any. */
  public boolean drained() {
    return drained;
  }
}
