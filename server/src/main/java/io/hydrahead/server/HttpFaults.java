package io.hydrahead.server;

import io.helidon.http.DirectHandler;
import io.helidon.http.HeaderName;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.http.Status;
import io.helidon.webserver.http.DirectHandlers;
import io.hydrahead.json.Excerpt;
import io.hydrahead.server.api.ApiException;
import io.hydrahead.server.api.Bodies;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * What is wrong with a request that never becomes one, in words for who sent it and not for the web
 * server: the line or header, its value, and what would do.
 */
final class HttpFaults {
  /** Bytes that all headers of a request may have together. */
  static final int MOST_HEADERS = 16_384;

  /** Bytes of a request's first line, its path included. */
  static final int MOST_PROLOGUE = 4096;

  private static final Status HEADERS_TOO_LARGE =
      Status.create(431, "Request Header Fields Too Large");
  private static final Pattern BAD_ESCAPE = Pattern.compile("%(?![0-9a-fA-F]{2}).{0,2}");

  private HttpFaults() {}

  /** Errors of the usual form for all that the web server itself refuses. */
  static DirectHandlers handlers(long mostBody) {
    DirectHandlers.Builder b = DirectHandlers.builder();
    DirectHandler handler =
        (request, type, status, headers, message) -> {
          ApiException e = of(request, status, message == null ? "" : message, mostBody);
          return DirectHandler.TransportResponse.builder()
              .status(e.status() == 431 ? HEADERS_TOO_LARGE : Status.create(e.status()))
              .header(HeaderValues.CONTENT_TYPE_JSON)
              .entity(Bodies.write(e.body()).getBytes(StandardCharsets.UTF_8))
              .keepAlive(false)
              .build();
        };
    for (DirectHandler.EventType type : DirectHandler.EventType.values()) {
      b.addHandler(type, handler);
    }
    return b.build();
  }

  private static ApiException of(
      DirectHandler.TransportRequest request, Status status, String message, long mostBody) {
    int code = status.code();
    if (code == Status.REQUEST_ENTITY_TOO_LARGE_413.code()) {
      return ApiException.tooLarge(mostBody);
    }
    if (message.contains("Header size exceeded")) {
      return fault(
          431,
          "The headers have more than %d bytes; send fewer or shorter ones."
              .formatted(MOST_HEADERS));
    }
    if (code == Status.REQUEST_URI_TOO_LONG_414.code()) {
      return fault(
          414,
          "The request's first line has more than %d bytes; what is long goes into the body."
              .formatted(MOST_PROLOGUE));
    }
    Optional<String> encoding = header(request, HeaderNames.CONTENT_ENCODING);
    if (encoding.isPresent()) {
      return ApiException.of(
          415,
          "invalid_request_error",
          "Content-Encoding: "
              + encoding.get()
              + " is not supported; send the body as it is, without this header.",
          "unsupported_media_type");
    }
    return fault(code >= 500 && code != 505 ? 400 : code, cause(request, message));
  }

  private static String cause(DirectHandler.TransportRequest request, String message) {
    if (message.contains("HTTP 1.0")) {
      return "HTTP/1.0 is not supported; send HTTP/1.1.";
    }
    var escape = BAD_ESCAPE.matcher(request.path());
    if (escape.find()) {
      return "The path has '%s', which is no escape: a %% stands before two hexadecimal digits."
          .formatted(printable(escape.group()));
    }
    if (message.contains("Host header") || message.contains("host header")) {
      return header(request, HeaderNames.HOST)
          .map(h ->
              "The header Host: "
                  + h
                  + " is not valid; send exactly one, with a name or address and the port.")
          .orElse("The header Host is missing; HTTP/1.1 needs it, as in Host: 127.0.0.1:8080.");
    }
    Optional<String> length = header(request, HeaderNames.CONTENT_LENGTH);
    Optional<String> transfer = header(request, HeaderNames.TRANSFER_ENCODING);
    if (length.isPresent() && transfer.isPresent()) {
      return "Content-Length and Transfer-Encoding cannot stand together; send one of them.";
    }
    if (length.isPresent() && !length.get().matches("\\d{1,18}")) {
      return "The header Content-Length: "
          + length.get()
          + " is not valid; it is the number of the body's bytes.";
    }
    if (transfer.isPresent()) {
      return "The header Transfer-Encoding: "
          + transfer.get()
          + ", or a chunk of the body, is not valid; a body comes in chunks, each with its size in"
          + " hexadecimal before it, or with a Content-Length.";
    }
    if (message.startsWith("Query")) {
      return "What stands behind the ? of the path is not valid; write other characters than letters"
          + " and digits as escapes, such as %20.";
    }
    if (message.contains("missing colon")) {
      return "A line of the headers has no colon; each is a name, a colon and a value.";
    }
    return "The request is not valid HTTP/1.1; its first line is a method, a path that begins with"
        + " / and HTTP/1.1, and its headers are lines of ASCII.";
  }

  private static Optional<String> header(DirectHandler.TransportRequest request, HeaderName name) {
    return request.headers().first(name).map(HttpFaults::printable);
  }

  /** As much of a foreign text as fits a message. */
  private static String printable(String s) {
    return Excerpt.of(s.replaceAll("[^ -~]", "?"));
  }

  private static ApiException fault(int status, String message) {
    return ApiException.of(status, "invalid_request_error", message, "bad_request");
  }
}
