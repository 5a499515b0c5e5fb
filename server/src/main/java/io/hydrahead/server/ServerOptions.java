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

  /** The fields on their way from one set of options to another. */
  private static final class Change {
    private String host;
    private int port;
    private Optional<String> apiKey;
    private long maxBodyBytes;
    private Duration timeLimit;
    private Duration heartbeat;
    private Duration drain;
    private RequestLimits limits;
    private Consumer<String> accessLog;
  }

  private ServerOptions with(Consumer<Change> change) {
    Change c = new Change();
    c.host = host;
    c.port = port;
    c.apiKey = apiKey;
    c.maxBodyBytes = maxBodyBytes;
    c.timeLimit = timeLimit;
    c.heartbeat = heartbeat;
    c.drain = drain;
    c.limits = limits;
    c.accessLog = accessLog;
    change.accept(c);
    return new ServerOptions(
        c.host,
        c.port,
        c.apiKey,
        c.maxBodyBytes,
        c.timeLimit,
        c.heartbeat,
        c.drain,
        c.limits,
        c.accessLog);
  }

  /** The same at another address or name. */
  public ServerOptions host(String value) {
    return with(c -> c.host = value);
  }

  /** The same at another port; 0 for any that is free. */
  public ServerOptions port(int value) {
    return with(c -> c.port = value);
  }

  /** The same for clients that show this key as {@code Authorization: Bearer …}. */
  public ServerOptions apiKey(String value) {
    return with(c -> c.apiKey = Optional.of(value));
  }

  /** The same with another largest body, in bytes; a larger one is answered with 413. */
  public ServerOptions maxBodyBytes(long value) {
    return with(c -> c.maxBodyBytes = value);
  }

  /** The same with another time limit; who needs longer is answered with 504. */
  public ServerOptions timeLimit(Duration value) {
    return with(c -> c.timeLimit = value);
  }

  /** The same with other heartbeats. */
  public ServerOptions heartbeat(Duration value) {
    return with(c -> c.heartbeat = value);
  }

  /** The same with another time for requests to end when the server closes. */
  public ServerOptions drain(Duration value) {
    return with(c -> c.drain = value);
  }

  /** The same with other limits of one request. */
  public ServerOptions limits(RequestLimits value) {
    return with(c -> c.limits = value);
  }

  /** The same with a place for the lines of the access log, called on the requests' threads. */
  public ServerOptions accessLog(Consumer<String> value) {
    return with(c -> c.accessLog = value);
  }

  @Override
  public String toString() {
    return "ServerOptions[" + host + ":" + port + (apiKey.isPresent() ? ", with a key]" : "]");
  }
}
