package io.hydrahead.server;

import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.http.Method;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import io.hydrahead.server.api.ApiException;
import io.hydrahead.server.api.Bodies;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * The answer to one request: one JSON body, or server-sent events. While nothing is ready, signs of
 * life keep the connection open and find out whether the client is still there: comments in a
 * stream of events, and before a JSON body white space, which does not change it.
 */
final class HttpAnswer {
  static final String JSON = "application/json";

  /** Where a request's context has the code of its error. */
  private static final String ERROR = "io.hydrahead.server.error";

  private final ServerRequest request;
  private final ServerResponse response;
  private final boolean events;
  private OutputStream out;

  /** Whether something was sent since the last heartbeat. */
  private boolean lively;

  HttpAnswer(ServerRequest request, ServerResponse response, boolean events) {
    this.request = request;
    this.response = response;
    this.events = events;
  }

  /** Sends the body. */
  void body(Object body) {
    byte[] bytes = Bodies.write(body).getBytes(StandardCharsets.UTF_8);
    if (out == null) {
      send(bytes);
    } else {
      write(bytes);
      close();
    }
  }

  private void send(byte[] whole) {
    try {
      response.header(HeaderNames.CONTENT_TYPE, JSON);
      send(request, response, whole);
    } catch (CloseConnectionException | UncheckedIOException e) {
      throw new ClientGoneException(e);
    }
  }

  /** Sends {@code whole}, or for HEAD its length: the web server would write the body then, too. */
  static void send(ServerRequest request, ServerResponse response, byte[] whole) {
    if (request.prologue().method().equals(Method.HEAD)) {
      response.header(HeaderNames.CONTENT_LENGTH, Integer.toString(whole.length));
      response.send();
    } else {
      response.send(whole);
    }
  }

  /** Sends one event. */
  void event(Object data) {
    write(("data: " + Bodies.write(data) + "\n\n").getBytes(StandardCharsets.UTF_8));
  }

  /** Ends a stream of events whose replies are whole. */
  void end() {
    write("data: [DONE]\n\n".getBytes(StandardCharsets.UTF_8));
    close();
  }

  /**
   * Sends a sign of life, if nothing else was sent since the last time.
   *
   * @throws ClientGoneException if there is nobody any more
   */
  void heartbeat() {
    if (!lively) {
      write((events ? ": waiting\n\n" : " ").getBytes(StandardCharsets.UTF_8));
    }
    lively = false;
  }

  /**
   * Sends an error, as its status or, where the answer has begun, as the last of it.
   *
   * @throws BrokenOffException behind the error, if a body has begun, whose status promises a
   *     success: without the ends that JSON and HTTP ask for, no client can take it for one
   */
  void fail(ApiException e) {
    request.context().register(ERROR, e.code());
    if (out == null) {
      response.status(e.status());
      if (e.status() == 429 || e.status() == 503) {
        response.header(HeaderNames.RETRY_AFTER, "1");
      }
      if (e.closes()) {
        response.header(HeaderValues.CONNECTION_CLOSE);
      }
      if (e.status() == 401) {
        response.header(HeaderNames.WWW_AUTHENTICATE, "Bearer");
      }
      e.allowed().ifPresent(a -> response.header(HeaderNames.ALLOW, a));
      send(Bodies.write(e.body()).getBytes(StandardCharsets.UTF_8));
    } else if (events) {
      event(e.body());
      close();
    } else {
      // Without its last bracket: some clients stop reading there and look at nothing behind it.
      String text = Bodies.write(e.body());
      write(text.substring(0, text.length() - 1).getBytes(StandardCharsets.UTF_8));
      throw new BrokenOffException();
    }
  }

  /** The code of the error that a request ended with; empty if with none. */
  static Optional<String> error(ServerRequest request) {
    return request.context().get(ERROR, String.class);
  }

  /** Whether a status has gone out. */
  boolean begun() {
    return out != null;
  }

  private void write(byte[] bytes) {
    try {
      if (out == null) {
        response.header(HeaderNames.CONTENT_TYPE, events ? "text/event-stream" : JSON);
        response.header(HeaderNames.CACHE_CONTROL, "no-cache");
        out = response.outputStream();
      }
      out.write(bytes);
      out.flush();
      lively = true;
    } catch (IOException | CloseConnectionException | UncheckedIOException e) {
      throw new ClientGoneException(e);
    }
  }

  private void close() {
    try {
      out.close();
    } catch (IOException | CloseConnectionException | UncheckedIOException e) {
      throw new ClientGoneException(e);
    }
  }
}
