package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

/** HEAD is GET without the body. */
class HeadTest {
  private static final List<String> PATHS =
      List.of(
          "/",
          "/page/api.js",
          "/v1/models",
          "/v1/models/tiny-teacher",
          "/health",
          "/ready",
          "/metrics",
          "/tokenizer_info",
          "/v1/hydrahead/model",
          "/v1/hydrahead/state");

  @Test
  void hasTheHeadersOfGet() {
    try (Running r = new Running()) {
      for (String path : PATHS) {
        HttpResponse<String> get = r.get(path);
        HttpResponse<String> head =
            r.send(r.request(path).method("HEAD", BodyPublishers.noBody()).build());
        assertThat(head.statusCode()).as(path).isEqualTo(200);
        assertThat(head.body()).isEmpty();
        for (String name : List.of("Content-Type", "Cache-Control", "Content-Security-Policy")) {
          assertThat(head.headers().firstValue(name)).isEqualTo(get.headers().firstValue(name));
        }
        if (!path.equals("/metrics") && !path.endsWith("/state")) {
          assertThat(head.headers().firstValue("Content-Length"))
              .as(path)
              .hasValue(Integer.toString(get.body().getBytes(StandardCharsets.UTF_8).length));
        }
      }
      HttpResponse<String> post =
          r.send(r.request("/v1/completions").method("HEAD", BodyPublishers.noBody()).build());
      assertThat(post.statusCode()).isEqualTo(405);
      assertThat(post.headers().firstValue("Allow")).hasValue("POST");
    }
  }

  /** A body behind a HEAD's answer would be taken for the next answer on the connection. */
  @Test
  void nothingFollowsTheHeaders() throws IOException {
    try (Running r = new Running();
        Socket s = new Socket("127.0.0.1", r.server().port())) {
      s.setSoTimeout(20_000);
      String ask = " %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n";
      StringBuilder all = new StringBuilder();
      for (String path : List.of("/v1/models", "/", "/nowhere", "/v1/completions")) {
        all.append("HEAD").append(ask.formatted(path, ""));
      }
      all.append("GET").append(ask.formatted("/health", "Connection: close\r\n"));
      s.getOutputStream().write(all.toString().getBytes(StandardCharsets.US_ASCII));
      s.getOutputStream().flush();
      InputStream in = s.getInputStream();
      String answers = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      String[] parts = answers.split("\r\n\r\n");
      assertThat(parts).as(answers).hasSize(6);
      for (int i = 0; i < 5; i++) {
        assertThat(parts[i]).startsWith("HTTP/1.1 ");
      }
      assertThat(parts[5]).isEqualTo("{\"status\":\"ok\"}");
    }
  }
}
