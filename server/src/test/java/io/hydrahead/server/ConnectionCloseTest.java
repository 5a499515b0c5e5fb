package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** Who asks for it has the connection closed behind the whole answer, and so knows its end. */
class ConnectionCloseTest {
  private static String answer(Running r, String method, String path, String body)
      throws IOException {
    try (Socket s = new Socket("127.0.0.1", r.server().port())) {
      s.setSoTimeout(20_000);
      String head =
          "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
              .formatted(method, path);
      String all = head + "Content-Length: " + body.length() + "\r\n\r\n" + body;
      s.getOutputStream().write(all.getBytes(StandardCharsets.US_ASCII));
      s.getOutputStream().flush();
      return new String(s.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  @Test
  void closesBehindTheAnswer() throws IOException {
    try (Running r = new Running()) {
      String asked = "{\"prompt\":\"a\",\"max_tokens\":40,\"ignore_eos\":true";
      assertThat(answer(r, "GET", "/health", "")).endsWith("{\"status\":\"ok\"}");
      assertThat(answer(r, "GET", "/page/page.js", "")).startsWith("HTTP/1.1 200");
      assertThat(answer(r, "POST", "/v1/completions", asked + "}"))
          .contains("\"completion_tokens\":40");
      assertThat(answer(r, "POST", "/v1/completions", asked + ",\"stream\":true}"))
          .contains("data: [DONE]");
      assertThat(answer(r, "GET", "/nowhere", "")).startsWith("HTTP/1.1 404").endsWith("}}");
    }
  }
}
