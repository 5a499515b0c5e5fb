package io.hydrahead.server;

import io.helidon.http.HeaderNames;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import io.hydrahead.server.api.ApiException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Map;

/**
 * The page at {@code /}: a chat, the model's head map, and what its caches take. Files that are the
 * same for everyone and need no key; what they show, the browser asks the API for.
 */
final class Page {
  /** Nothing from elsewhere, nothing to elsewhere, and in nobody's frame. */
  static final String POLICY =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
          + " base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

  private static final String SCRIPT = "text/javascript; charset=utf-8";

  private static final Map<String, File> FILES =
      Map.of(
          "/", file("index.html", "text/html; charset=utf-8"),
          "/page/page.css", file("page.css", "text/css; charset=utf-8"),
          "/page/icon.svg", file("icon.svg", "image/svg+xml"),
          "/page/page.js", file("page.js", SCRIPT),
          "/page/api.js", file("api.js", SCRIPT),
          "/page/chat.js", file("chat.js", SCRIPT),
          "/page/panel.js", file("panel.js", SCRIPT));

  private record File(byte[] bytes, String type) {}

  private Page() {}

  private static File file(String name, String type) {
    try (InputStream in = Page.class.getResourceAsStream("page/" + name)) {
      return new File(in.readAllBytes(), type);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Whether {@code path} is one of the page's files. */
  static boolean has(String path) {
    return FILES.containsKey(path);
  }

  /** {@code GET /} and {@code GET /page/…}. */
  static void get(ServerRequest request, ServerResponse response) {
    File file = FILES.get(request.path().path());
    if (file == null) {
      throw ApiException.noPath(request.prologue().method().text(), request.path().path());
    }
    response.header(HeaderNames.CONTENT_TYPE, file.type);
    response.header(HeaderNames.CACHE_CONTROL, "no-cache");
    response.header("Content-Security-Policy", POLICY);
    response.header("X-Content-Type-Options", "nosniff");
    response.header("Referrer-Policy", "no-referrer");
    HttpAnswer.send(request, response, file.bytes);
  }
}
