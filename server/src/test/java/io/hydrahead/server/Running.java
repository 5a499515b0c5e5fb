package io.hydrahead.server;

import io.hydrahead.json.Json;
import io.hydrahead.server.engine.Engine;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import tools.jackson.databind.JsonNode;

/** A server of the bundled teacher, and a plain client of it. */
final class Running implements AutoCloseable {
  static final Path MODEL = Path.of(System.getProperty("hydrahead.home"), "models/tiny-teacher");
  static final String NAME = "tiny-teacher";

  private static final Path QWEN3 =
      Path.of(
          System.getProperty("hydrahead.home"),
          "engine/src/test/resources/golden/chat-templates/qwen3.json.gz");

  private final HttpClient client = HttpClient.newHttpClient();
  private final Engine engine;
  private final HydraServer server;
  private final List<String> log = new ArrayList<>();

  Running() {
    this(ServerOptions.DEFAULT);
  }

  Running(ServerOptions options) {
    this(MODEL, options);
  }

  Running(Path checkpoint, ServerOptions options) {
    this(Engine.open(checkpoint), options);
  }

  /**
   * @param engine is closed with it
   */
  Running(Engine engine, ServerOptions options) {
    this.engine = engine;
    server =
        HydraServer.start(
            engine,
            options
                .port(0)
                .accessLog(line -> {
                  synchronized (log) {
                    log.add(line);
                  }
                }));
  }

  /** A copy of the teacher with another chat template. */
  static Path withTemplate(Path folder, String template) {
    try (Stream<Path> files = Files.list(MODEL)) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
      return Files.writeString(folder.resolve("chat_template.jinja"), template).getParent();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** A copy of the teacher with the chat template of Qwen3. */
  static Path withQwen3Template(Path folder) {
    try (InputStream in = new GZIPInputStream(Files.newInputStream(QWEN3))) {
      String golden = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      return withTemplate(
          folder, Json.parse(golden, QWEN3.toString()).path("template").stringValue());
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  Engine engine() {
    return engine;
  }

  HydraServer server() {
    return server;
  }

  List<String> log() {
    synchronized (log) {
      return List.copyOf(log);
    }
  }

  URI uri(String path) {
    return server.uri().resolve(path);
  }

  HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(uri(path)).timeout(Duration.ofSeconds(60));
  }

  HttpResponse<String> send(HttpRequest request) {
    try {
      return client.send(request, BodyHandlers.ofString());
    } catch (IOException | InterruptedException e) {
      throw new AssertionError(request + ": " + e, e);
    }
  }

  HttpResponse<String> get(String path) {
    return send(request(path).GET().build());
  }

  HttpResponse<String> post(String path, String body) {
    return send(
        request(path)
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(body))
            .build());
  }

  /** The body of an answer with status 200. */
  JsonNode ask(String path, String body) {
    HttpResponse<String> r = post(path, body);
    if (r.statusCode() != 200) {
      throw new AssertionError(r.statusCode() + " " + r.body());
    }
    return Json.parse(r.body(), "body");
  }

  /** Events of a stream, without its end. */
  List<JsonNode> stream(String path, String body) {
    HttpResponse<String> r = post(path, body);
    if (r.statusCode() != 200 || !r.body().endsWith("data: [DONE]\n\n")) {
      throw new AssertionError(r.statusCode() + " " + r.body());
    }
    List<JsonNode> out = new ArrayList<>();
    for (String event : r.body().split("\n\n")) {
      if (event.startsWith("data: {")) {
        out.add(Json.parse(event.substring("data: ".length()), "event"));
      }
    }
    return out;
  }

  @Override
  public void close() {
    server.close();
    engine.close();
    client.close();
  }
}
