package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** What is no HTTP, or not as this server takes it, is told by its header and value, at once. */
class HttpFaultsTest {
  private static final String JSON =
      "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

  private static Running running;

  @BeforeAll
  static void start() {
    running = new Running();
  }

  @AfterAll
  static void stop() {
    running.close();
  }

  /** All that the server says before it closes, which it does within three seconds. */
  private static String answer(String request) throws IOException {
    try (Socket s = new Socket("127.0.0.1", running.server().port())) {
      s.setSoTimeout(3_000);
      s.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
      s.getOutputStream().flush();
      return new String(s.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static void refused(String request, int status, String message) throws IOException {
    String answer = answer(request);
    assertThat(answer).startsWith("HTTP/1.1 " + status + " ").contains("Connection: close");
    JsonNode error = Json.parse(answer.substring(answer.indexOf("\r\n\r\n")), "body").path("error");
    assertThat(error.path("message").asString()).contains(message);
    assertThat(error.path("type").asString()).isEqualTo("invalid_request_error");
  }

  private static void refusedHead(String head, int status, String message) throws IOException {
    refused(head + "\r\n\r\n", status, message);
  }

  @Test
  void ofHeads() throws IOException {
    String get = "GET /health HTTP/1.1\r\n";
    refusedHead(get + "Host: localhost\r\nX: " + "b".repeat(20_000), 431, "than 16384 bytes");
    refusedHead(get, 400, "The header Host is missing");
    refusedHead(get + "Host: localhost:abc", 400, "Host: localhost:abc is not valid");
    refusedHead(get + "Host: localhost\r\nnocolon", 400, "no colon");
    refusedHead("GET /%zz HTTP/1.1\r\nHost: localhost", 400, "The path has '%zz'");
    refusedHead("GET /health?x=%zz HTTP/1.1\r\nHost: localhost", 400, "behind the ? of the path");
    refusedHead("GET /" + "a".repeat(5_000) + " HTTP/1.1\r\nHost: localhost", 414, "4096 bytes");
    refusedHead("GET /health HTTP/1.0\r\nHost: localhost", 505, "send HTTP/1.1");
  }

  @Test
  void ofBodies() throws IOException {
    refusedHead(JSON + "Content-Length: -5", 400, "Content-Length: -5 is not valid");
    refusedHead(JSON + "Content-Length: abc", 400, "Content-Length: abc is not valid");
    refusedHead(
        JSON + "Content-Length: 5\r\nTransfer-Encoding: chunked", 400, "cannot stand together");
    refused(
        JSON + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
        415,
        "Content-Encoding: gzip is not supported");
    refusedHead(JSON + "Transfer-Encoding: gzip", 400, "Transfer-Encoding: gzip");
  }

  /** The client is told at once, and nothing that it sends behind is read as a request. */
  @Test
  void ofChunks() throws IOException {
    for (String size : new String[] {"zz", "-5", "ffffffffff"}) {
      refused(
          JSON + "Transfer-Encoding: chunked\r\n\r\n" + size + "\r\n{}\r\n0\r\n\r\n",
          400,
          "A chunk of the body is not valid");
    }
    assertThat(running.log()).last().asString().contains("\"error\":\"unreadable_body\"");
  }
}
