package io.hydrahead.server;

import io.hydrahead.server.api.RequestLimits;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * How a server listens and what it grants. Made from {@link #DEFAULT} by the methods that change
 * one thing.
 *
 * @param host address or name; others than the machine's own need an {@code apiKey}
 * @param port 0 for any that is free
 * @param apiKey what clients must show, if anything
 * @param maxBodyBytes largest body of a request
 * @param timeLimit longest a request may take, waiting included
 * @param heartbeat how long a connection stays silent before a sign of life is sent, which also
 *     finds out whether the client is still there
 * @param drain how long requests may go on after {@link HydraServer#close}
 * @param limits what one request may ask for
 * @param accessLog gets one line of JSON a request, without any of its text
 */
public record ServerOptions(
    String host,
    int port,
    Optional<String> apiKey,
    long maxBodyBytes,
    Duration timeLimit,
    Duration heartbeat,
    Duration drain,
    RequestLimits limits,
    Consumer<String> accessLog) {

  /** On this machine only, at port 8080. */
  public static final ServerOptions DEFAULT =
      new ServerOptions(
          "127.0.0.1",
          8080,
          Optional.empty(),
          32L << 20,
          Duration.ofMinutes(30),
          Duration.ofSeconds(2),
          Duration.ofSeconds(30),
          RequestLimits.DEFAULT,
          line -> {});

  public ServerOptions host(String value) {
    return new ServerOptions(
        value, port, apiKey, maxBodyBytes, timeLimit, heartbeat, drain, limits, accessLog);
  }

  public ServerOptions port(int value) {
    return new ServerOptions(
        host, value, apiKey, maxBodyBytes, timeLimit, heartbeat, drain, limits, accessLog);
  }

  public ServerOptions apiKey(String value) {
    return new ServerOptions(
        host,
        port,
        Optional.of(value),
        maxBodyBytes,
        timeLimit,
        heartbeat,
        drain,
        limits,
        accessLog);
  }

  public ServerOptions maxBodyBytes(long value) {
    return new ServerOptions(
        host, port, apiKey, value, timeLimit, heartbeat, drain, limits, accessLog);
  }

  public ServerOptions timeLimit(Duration value) {
    return new ServerOptions(
        host, port, apiKey, maxBodyBytes, value, heartbeat, drain, limits, accessLog);
  }

  public ServerOptions heartbeat(Duration value) {
    return new ServerOptions(
        host, port, apiKey, maxBodyBytes, timeLimit, value, drain, limits, accessLog);
  }

  public ServerOptions drain(Duration value) {
    return new ServerOptions(
        host, port, apiKey, maxBodyBytes, timeLimit, heartbeat, value, limits, accessLog);
  }

  public ServerOptions limits(RequestLimits value) {
    return new ServerOptions(
        host, port, apiKey, maxBodyBytes, timeLimit, heartbeat, drain, value, accessLog);
  }

  public ServerOptions accessLog(Consumer<String> value) {
    return new ServerOptions(
        host, port, apiKey, maxBodyBytes, timeLimit, heartbeat, drain, limits, value);
  }

  @Override
  public String toString() {
    return "ServerOptions[" + host + ":" + port + (apiKey.isPresent() ? ", with a key]" : "]");
  }
}
