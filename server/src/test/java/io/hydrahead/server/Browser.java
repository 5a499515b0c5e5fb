package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/** A headless Chromium with one page, over the DevTools protocol. */
final class Browser implements AutoCloseable, WebSocket.Listener {
  private static final Pattern LISTENING = Pattern.compile("DevTools listening on ws://([^/]+)/");
  private static final List<String> NAMES =
      List.of("chromium", "chromium-browser", "google-chrome", "chrome");

  private final HttpClient client = HttpClient.newHttpClient();
  private final Process process;
  private final Path profile;
  private final WebSocket socket;
  private final AtomicInteger calls = new AtomicInteger();
  private final Map<Integer, CompletableFuture<JsonNode>> open = new ConcurrentHashMap<>();
  private final StringBuilder message = new StringBuilder();
  private final List<String> requested = new CopyOnWriteArrayList<>();
  private final List<String> complaints = new CopyOnWriteArrayList<>();

  /** The program, as HYDRAHEAD_CHROMIUM names it or in the PATH. */
  static Optional<Path> find() {
    String named = System.getenv("HYDRAHEAD_CHROMIUM");
    if (named != null) {
      return Optional.of(Path.of(named));
    }
    return Stream.of(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator))
        .filter(folder -> !folder.isEmpty())
        .flatMap(folder -> NAMES.stream().map(n -> Path.of(folder, n)))
        .filter(Files::isExecutable)
        .findFirst();
  }

  /**
   * @param profile an empty folder, which goes when the browser is closed
   */
  Browser(Path program, Path profile) throws IOException, InterruptedException {
    this.profile = profile;
    process =
        new ProcessBuilder(
                program.toString(),
                "--headless=new",
                "--no-sandbox", // which root and many containers cannot have; it sees our page only
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-extensions",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--remote-debugging-port=0",
                "--user-data-dir=" + profile,
                "about:blank")
            .redirectErrorStream(true)
            .start();
    String authority = authority(process.inputReader());
    URI list = URI.create("http://" + authority + "/json/list");
    JsonNode pages =
        Json.parse(
            client.send(HttpRequest.newBuilder(list).build(), BodyHandlers.ofString()).body(),
            "pages");
    String page = "";
    for (JsonNode p : pages) {
      page =
          p.path("type").asString().equals("page")
              ? p.path("webSocketDebuggerUrl").asString()
              : page;
    }
    socket = client.newWebSocketBuilder().buildAsync(URI.create(page), this).join();
    for (String domain : List.of("Page", "Runtime", "Log", "Network")) {
      call(domain + ".enable", Map.of());
    }
  }

  /** Where Chromium says that it listens; what else it says is read and dropped. */
  private static String authority(BufferedReader said) throws IOException {
    StringBuilder all = new StringBuilder();
    for (String line = said.readLine(); line != null; line = said.readLine()) {
      Matcher m = LISTENING.matcher(line);
      if (m.find()) {
        Thread.ofVirtual().start(() -> said.lines().forEach(l -> {}));
        return m.group(1);
      }
      all.append(line).append('\n');
    }
    throw new AssertionError("Chromium did not start: " + all);
  }

  @Override
  public CompletionStage<?> onText(WebSocket from, CharSequence data, boolean last) {
    message.append(data);
    if (last) {
      JsonNode m = Json.parse(message.toString(), "message");
      message.setLength(0);
      if (m.has("id")) {
        open.remove(m.path("id").intValue()).complete(m);
      } else {
        event(m.path("method").asString(), m.path("params"));
      }
    }
    from.request(1);
    return null;
  }

  private void event(String method, JsonNode params) {
    switch (method) {
      case "Network.requestWillBeSent" ->
          requested.add(params.path("request").path("url").asString());
      case "Runtime.exceptionThrown" -> complaints.add(params.toString());
      case "Log.entryAdded" -> {
        if (params.path("entry").path("level").asString().equals("error")) {
          complaints.add(params.path("entry").path("text").asString());
        }
      }
      default -> {}
    }
  }

  JsonNode call(String method, Map<String, ?> params) {
    int id = calls.incrementAndGet();
    CompletableFuture<JsonNode> answer = new CompletableFuture<>();
    open.put(id, answer);
    String text = Json.of(Map.of("id", id, "method", method, "params", params)).toString();
    socket.sendText(text, true).join();
    JsonNode m = answer.orTimeout(30, TimeUnit.SECONDS).join();
    if (m.has("error")) {
      throw new AssertionError(method + ": " + m);
    }
    return m.path("result");
  }

  void open(URI uri) {
    // First away from the page before, whose last words are not this one's.
    call("Page.navigate", Map.of("url", "about:blank"));
    await("location.href === 'about:blank' && document.readyState === 'complete'");
    requested.clear();
    complaints.clear();
    call("Page.navigate", Map.of("url", uri.toString()));
    await("location.href === '" + uri + "' && document.readyState === 'complete'");
  }

  /** The value of an expression, which may be a promise. */
  JsonNode evaluate(String expression) {
    JsonNode r =
        call(
            "Runtime.evaluate",
            Map.of("expression", expression, "awaitPromise", true, "returnByValue", true));
    if (r.has("exceptionDetails")) {
      throw new AssertionError(expression + ": " + r);
    }
    return r.path("result").path("value");
  }

  /** The text of the first element that a selector finds. */
  String text(String selector) {
    return evaluate("document.querySelector('" + selector + "')?.textContent ?? ''").asString();
  }

  /** Waits until a condition holds. */
  void await(String condition) {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (!holds(condition)) {
      assertThat(System.nanoTime() < end)
          .as(() -> condition + "\n" + complaints + "\n" + text("body"))
          .isTrue();
      try {
        Thread.sleep(30);
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }
  }

  /** False also while one page goes and the next one comes. */
  private boolean holds(String condition) {
    try {
      return evaluate("Boolean(" + condition + ")").booleanValue();
    } catch (AssertionError between) {
      return false;
    }
  }

  /** Types into what has the focus. */
  void type(String text) {
    call("Input.insertText", Map.of("text", text));
  }

  void press(String key, int code) {
    String text = key.equals("Enter") ? "\r" : "";
    for (String type : List.of("keyDown", "keyUp")) {
      call(
          "Input.dispatchKeyEvent",
          Map.of(
              "type",
              type,
              "key",
              key,
              "code",
              key,
              "windowsVirtualKeyCode",
              code,
              "text",
              type.equals("keyDown") ? text : ""));
    }
  }

  void look(boolean dark, int width, int height) {
    String scheme = dark ? "dark" : "light";
    call(
        "Emulation.setEmulatedMedia",
        Map.of("features", List.of(Map.of("name", "prefers-color-scheme", "value", scheme))));
    call(
        "Emulation.setDeviceMetricsOverride",
        Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", width < 600));
  }

  void screenshot(Path file, boolean whole) throws IOException {
    JsonNode shot =
        call("Page.captureScreenshot", Map.of("format", "png", "captureBeyondViewport", whole));
    Files.createDirectories(file.getParent());
    Files.write(file, Base64.getDecoder().decode(shot.path("data").asString()));
  }

  /** Everything that was asked for since {@link #open}. */
  List<String> requested() {
    return requested;
  }

  /** Errors in the console, those of the content policy included. */
  List<String> complaints() {
    return complaints;
  }

  @Override
  public void close() throws InterruptedException {
    try {
      call("Browser.close", Map.of());
    } catch (RuntimeException gone) {
      // it may close before it answers
    }
    socket.abort();
    client.close();
    if (!process.waitFor(10, TimeUnit.SECONDS)) {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly().waitFor();
    }
    try (Stream<Path> files = Files.walk(profile)) {
      files.sorted(Comparator.reverseOrder()).forEach(f -> f.toFile().delete());
    } catch (IOException | UncheckedIOException late) {
      // what a process of the browser still writes is left to the system's cleaning
    }
  }
}
