package io.hydrahead.server.api;

import io.hydrahead.json.Excerpt;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;

/** An answer that is an error, in the form of OpenAI's API. */
public final class ApiException extends RuntimeException {
  private static final long serialVersionUID = 1L;
  private static final String UNREADABLE = "unreadable_body";

  private final int status;
  private final String type;
  private final String param;
  private final String code;
  private final String allowed;

  private ApiException(int status, String type, String message, String param, String code) {
    this(status, type, message, param, code, "");
  }

  private ApiException(
      int status, String type, String message, String param, String code, String allowed) {
    super(message, null, false, false);
    this.allowed = allowed;
    this.status = status;
    this.type = type;
    this.param = param;
    this.code = code;
  }

  /**
   * 400: the field {@code param} cannot be taken.
   *
   * @param param JSON path such as {@code messages[0].role}; empty for the body as a whole
   */
  public static ApiException invalid(String param, String message) {
    return new ApiException(400, "invalid_request_error", message, param, "invalid_value");
  }

  /** 400 with a code that says more. */
  public static ApiException invalid(String param, String message, String code) {
    return new ApiException(400, "invalid_request_error", message, param, code);
  }

  /** Another status than 400. */
  public static ApiException of(int status, String type, String message, String code) {
    return new ApiException(status, type, message, "", code);
  }

  /** 400: the body does not arrive as HTTP has it, so that nothing behind it can be read either. */
  public static ApiException unreadable(String message) {
    return of(400, "invalid_request_error", message, UNREADABLE);
  }

  /** 404: there is no such model. */
  public static ApiException noModel(String name, String served) {
    return new ApiException(
        404,
        "invalid_request_error",
        "The model '" + Excerpt.of(name) + "' does not exist; this server has '" + served + "'.",
        "model",
        "model_not_found");
  }

  /**
   * 503: the server is shutting down; it begins no reply, and cuts off those that take too long.
   */
  public static ApiException shuttingDown() {
    return of(503, "server_error", "The server is shutting down.", "shutting_down");
  }

  /**
   * 504: the request took too long.
   *
   * @param limit how long it may take
   */
  public static ApiException timeout(Duration limit) {
    long ms = limit.toMillis();
    return of(
        504,
        "timeout_error",
        "The request took longer than the %s that this server allows; ask for fewer tokens or replies, or start the server with a larger --time-limit."
            .formatted(ms % 1000 == 0 ? ms / 1000 + " s" : ms + " ms"),
        "timeout");
  }

  /**
   * 413: the body is too large.
   *
   * @param most bytes that a body may have
   */
  public static ApiException tooLarge(long most) {
    return of(
        413,
        "invalid_request_error",
        String.format(
            Locale.ROOT,
            "The body has more than %d bytes, the most that this server takes; send less, or start"
                + " the server with a larger --max-body.",
            most),
        "body_too_large");
  }

  /**
   * 404: there is no such path.
   *
   * @param method such as {@code POST}
   */
  public static ApiException noPath(String method, String path) {
    return of(
        404,
        "invalid_request_error",
        "There is no "
            + method
            + " "
            + Excerpt.of(path)
            + " here; OpenAI's endpoints are /v1/chat/completions, /v1/completions and /v1/models.",
        "not_found");
  }

  /**
   * 405: the path exists, for another method.
   *
   * @param allowed such as {@code GET, HEAD}
   */
  public static ApiException notAllowed(String allowed) {
    return new ApiException(
        405,
        "invalid_request_error",
        "This path takes " + allowed.replace(", ", " and ") + " requests only.",
        "",
        "method_not_allowed",
        allowed);
  }

  /** HTTP status. */
  public int status() {
    return status;
  }

  /** A word for programs, such as {@code timeout}. */
  public String code() {
    return code;
  }

  /** Whether nothing more can be read from the connection. */
  public boolean closes() {
    return code.equals(UNREADABLE);
  }

  /** The methods that would do instead. */
  public Optional<String> allowed() {
    return Optional.of(allowed).filter(a -> !a.isEmpty());
  }

  /** The body. */
  public ErrorBody body() {
    return new ErrorBody(
        new ErrorBody.Details(
            getMessage(),
            type,
            Optional.of(param).filter(p -> !p.isEmpty()),
            Optional.of(code).filter(c -> !c.isEmpty())));
  }
}
