package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.server.engine.Watched;
import io.hydrahead.tokenizer.Tokenizer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A thousand clients that go in the midst of it: all that their requests held comes back. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class DisconnectTest {
  private static final int CLIENTS = 1000;
  private static final int AT_ONCE = 8;
  private static final Path HYBRID = Running.MODEL.resolveSibling("tiny-hybrid");

  @Test
  void aThousandDisconnectsLeaveNothingBehind() throws Exception {
    AtomicInteger heard = new AtomicInteger();
    AtomicInteger gone = new AtomicInteger();
    AtomicInteger failed = new AtomicInteger();
    ServerOptions options =
        ServerOptions.DEFAULT
            .port(0)
            .heartbeat(Duration.ofMillis(5))
            .accessLog(line -> {
              gone.addAndGet(line.contains("\"client\":\"gone\"") ? 1 : 0);
              failed.addAndGet(line.contains("\"status\":500") ? 1 : 0);
            });
    try (Watched watched = new Watched(HYBRID, 4, 2 * AT_ONCE);
        HydraServer server = HydraServer.start(watched.engine(), options)) {
      SplittableRandom seeds = new SplittableRandom(7);
      try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
        List<Future<?>> all = new ArrayList<>();
        for (int i = 0; i < AT_ONCE; i++) {
          SplittableRandom random = seeds.split();
          int clients = CLIENTS * (i + 1) / AT_ONCE - CLIENTS * i / AT_ONCE;
          all.add(
              threads.submit(() -> {
                for (int k = 0; k < clients; k++) {
                  heard.addAndGet(leave(server.port(), random) ? 1 : 0);
                }
                return null;
              }));
        }
        for (Future<?> f : all) {
          f.get();
        }
      }
      watched.idle();
      assertThat(heard).as("clients that saw a reply begin").hasValueGreaterThan(CLIENTS / 10);
      assertThat(begun(server.uri())).as("prompts that were begun").isGreaterThan(CLIENTS / 10);
      assertThat(gone).as("clients that were missed").hasValueGreaterThan(CLIENTS / 4);
      assertThat(failed).hasValue(0);
      assertThat(ask(server.uri())).isEqualTo(200);
      watched.idle();
    }
  }

  /** Who waits for a whole body and goes is missed while tokens come, not only in a silence. */
  @Test
  void aReplyInTheMakingEndsWithItsClient() throws Exception {
    ScriptedScheduler script = new ScriptedScheduler(Tokenizer.load(HYBRID));
    script.reply("word ".repeat(3000));
    script.pause(10);
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults());
        HybridTransformer model =
            HybridTransformer.load(HYBRID, ops, ModelFiles.LoadOptions.STORED);
        Engine engine = Engine.of(HYBRID, model, "m", script, () -> {});
        HydraServer server =
            HydraServer.start(
                engine, ServerOptions.DEFAULT.port(0).heartbeat(Duration.ofMillis(30)))) {
      try (Socket s = new Socket("127.0.0.1", server.port())) {
        s.getOutputStream().write(post(false, "{\"prompt\": \"a\", \"max_tokens\": 3000}"));
        s.getOutputStream().flush();
        assertThat(s.getInputStream().read()).isEqualTo('H'); // with the first heartbeat
      }
      assertThat(script.awaitCancelled()).isTrue();
    }
  }

  /**
   * Sends a request, or a part of it, and goes: politely or not, before its answer or in it.
   *
   * @return whether some of a reply had come
   */
  private static boolean leave(int port, SplittableRandom random) throws Exception {
    boolean heard = false;
    try (Socket s = new Socket("127.0.0.1", port)) {
      s.setSoTimeout(20_000);
      boolean stream = random.nextBoolean();
      byte[] request = request(random, stream);
      int sent = random.nextInt(20) == 0 ? random.nextInt(request.length) : request.length;
      OutputStream out = s.getOutputStream();
      out.write(request, 0, sent);
      out.flush();
      boolean waits = sent == request.length && random.nextBoolean();
      if (waits && stream) {
        heard = hear(s.getInputStream(), random.nextInt(1, 10));
      } else if (waits) {
        s.getInputStream().readNBytes(random.nextInt(1, 200));
      } else {
        Thread.sleep(random.nextInt(8));
      }
      if (random.nextInt(3) == 0) {
        s.setSoLinger(true, 0); // a reset instead of an end
      }
    } catch (IOException closed) {
      // A reset.
    }
    return heard;
  }

  /** Reads on until so many events of a stream have come, or the answer is over. */
  private static boolean hear(InputStream in, int events) throws IOException {
    BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
    int heard = 0;
    for (String l = lines.readLine(); l != null && heard < events; l = lines.readLine()) {
      heard += l.startsWith("data: {") ? 1 : 0;
    }
    return heard > 0;
  }

  private static byte[] request(SplittableRandom random, boolean stream) {
    boolean chat = random.nextInt(4) == 0;
    StringBuilder text = new StringBuilder();
    int words = random.nextInt(3) == 0 ? 1 + random.nextInt(30) : 1 + random.nextInt(8);
    for (int i = 0; i < words; i++) {
      text.append(i % 2 == 0 ? "key " : "door ").append(random.nextInt(3) == 0 ? "red " : "");
    }
    String body =
        (chat
                ? "{\"messages\": [{\"role\": \"user\", \"content\": \"" + text + "\"}]"
                : "{\"prompt\": \"" + text + "\"")
            + ", \"max_tokens\": "
            + (10 + random.nextInt(50))
            + ", \"ignore_eos\": true, \"n\": "
            + (1 + random.nextInt(2))
            + ", \"stream\": "
            + stream
            + "}";
    return post(chat, body);
  }

  private static byte[] post(boolean chat, String body) {
    return ("POST /v1/"
            + (chat ? "chat/" : "")
            + "completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: "
            + body.length()
            + "\r\n\r\n"
            + body)
        .getBytes(StandardCharsets.US_ASCII);
  }

  private static long begun(URI server) throws Exception {
    try (HttpClient client = HttpClient.newHttpClient()) {
      HttpRequest r = HttpRequest.newBuilder(server.resolve("/v1/hydrahead/state")).build();
      return Json.parse(client.send(r, BodyHandlers.ofString()).body(), "state")
          .path("cache_lookups")
          .longValue();
    }
  }

  private static int ask(URI server) throws Exception {
    try (HttpClient client = HttpClient.newHttpClient()) {
      HttpRequest r =
          HttpRequest.newBuilder(server.resolve("/v1/completions"))
              .header("Content-Type", "application/json")
              .POST(
                  HttpRequest.BodyPublishers.ofString(
                      "{\"prompt\": \"key\", \"max_tokens\": 10, \"ignore_eos\": true}"))
              .build();
      return client.send(r, BodyHandlers.ofString()).statusCode();
    }
  }
}
