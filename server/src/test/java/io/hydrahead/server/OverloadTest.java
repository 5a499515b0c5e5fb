package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.server.engine.Scheduler;
import io.hydrahead.server.engine.Watched;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** More requests than can wait: each gets an answer, and none is forgotten. */
class OverloadTest {
  private static final int WAITING = 4;
  private static final int CLIENTS = 10 * WAITING;

  @Test
  @Timeout(value = 180, unit = TimeUnit.SECONDS)
  void tenTimesTooManyGet429AndNoneIsLost() throws Exception {
    try (Ops ops = OpsFactory.cpu(new OpsOptions(1, "auto", false));
        HybridTransformer model =
            HybridTransformer.load(Running.MODEL, ops, ModelFiles.LoadOptions.STORED);
        Engine engine =
            Engine.of(Running.MODEL, model, new Engine.Options("m", 0, 2, WAITING), () -> {});
        HydraServer server = HydraServer.start(engine, ServerOptions.DEFAULT.port(0));
        HttpClient client = HttpClient.newHttpClient();
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      AtomicInteger refused = new AtomicInteger();
      Map<Integer, String> replies = new ConcurrentHashMap<>();
      List<Future<Void>> all = new ArrayList<>();
      for (int i = 0; i < CLIENTS; i++) {
        int number = i;
        Callable<Void> task =
            () -> {
              ask(client, server, number, refused, replies);
              return null;
            };
        all.add(threads.submit(task));
      }
      for (Future<Void> f : all) {
        f.get();
      }
      assertThat(refused).hasPositiveValue();
      assertThat(replies).hasSize(CLIENTS);
      // The same number has the same reply, whoever else was there.
      AtomicInteger none = new AtomicInteger();
      Map<Integer, String> alone = new ConcurrentHashMap<>();
      for (int i = 0; i < 5; i++) {
        ask(client, server, i, none, alone);
        assertThat(alone.get(i)).isEqualTo(replies.get(i));
      }
      Scheduler.Status s = engine.scheduler().status();
      assertThat(s.waiting()).isZero();
      assertThat(s.alive()).isTrue();
    }
  }

  /**
   * Ten times as many as can wait, each asking once: those that can wait have their whole answers,
   * the others are told to come back; and then everything is free again.
   */
  @Test
  @Timeout(value = 60, unit = TimeUnit.SECONDS)
  void eachIsAnsweredOrToldToComeBack() throws Exception {
    Path hybrid = Running.MODEL.resolveSibling("tiny-hybrid");
    try (Watched watched = new Watched(hybrid, 2, WAITING);
        HydraServer server = HydraServer.start(watched.engine(), ServerOptions.DEFAULT.port(0));
        HttpClient client = HttpClient.newHttpClient()) {
      watched.hold(true); // nothing is begun before all have come
      CountDownLatch refused = new CountDownLatch(CLIENTS - WAITING);
      assertThat(rush(client, server, refused, () -> watched.hold(false))).isEqualTo(WAITING);
      watched.idle();
      // Once more, as fast as it goes.
      refused = new CountDownLatch(0);
      assertThat(rush(client, server, refused, () -> {})).isBetween(WAITING, CLIENTS);
      watched.idle();
      HttpRequest health = HttpRequest.newBuilder(server.uri().resolve("/health")).build();
      assertThat(client.send(health, BodyHandlers.ofString()).statusCode()).isEqualTo(200);
    }
  }

  /**
   * All clients at once; how many had their answers.
   *
   * @param refused counts those that were told to come back; when it is down, {@code then} is run
   */
  private static int rush(
      HttpClient client, HydraServer server, CountDownLatch refused, Runnable then)
      throws Exception {
    AtomicInteger answered = new AtomicInteger();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<Void>> all = new ArrayList<>();
      for (int i = 0; i < CLIENTS; i++) {
        boolean stream = i % 2 == 0;
        String body =
            "{\"prompt\": \"Number %d\", \"max_tokens\": 20, \"ignore_eos\": true, \"stream\": %s}"
                .formatted(i, stream);
        all.add(
            threads.submit(() -> {
              HttpResponse<String> r =
                  client.send(completion(server, body), BodyHandlers.ofString());
              if (r.statusCode() == 429) {
                assertThat(r.headers().firstValue("Retry-After")).isPresent();
                assertThat(r.body()).contains("rate_limit_error");
                refused.countDown();
              } else {
                assertThat(r.statusCode()).as(r.body()).isEqualTo(200);
                assertThat(r.body()).contains("\"finish_reason\":\"length\"");
                assertThat(r.body().endsWith("data: [DONE]\n\n")).isEqualTo(stream);
                answered.incrementAndGet();
              }
              return null;
            }));
      }
      assertThat(refused.await(30, TimeUnit.SECONDS)).isTrue();
      then.run();
      for (Future<Void> f : all) {
        f.get(30, TimeUnit.SECONDS);
      }
    }
    return answered.get();
  }

  private static HttpRequest completion(HydraServer server, String body) {
    return HttpRequest.newBuilder(server.uri().resolve("/v1/completions"))
        .header("Content-Type", "application/json")
        .timeout(Duration.ofSeconds(30))
        .POST(BodyPublishers.ofString(body))
        .build();
  }

  /** Asks until it is answered. */
  private static void ask(
      HttpClient client,
      HydraServer server,
      int number,
      AtomicInteger refused,
      Map<Integer, String> replies)
      throws Exception {
    Random random = new Random(number);
    String body =
        "{\"prompt\": \"Number "
            + number
            + " is\", \"max_tokens\": 30, \"ignore_eos\": true,"
            + " \"seed\": "
            + number
            + "}";
    HttpRequest request = completion(server, body);
    while (true) {
      HttpResponse<String> r = client.send(request, BodyHandlers.ofString());
      if (r.statusCode() == 429) {
        assertThat(r.headers().firstValue("Retry-After")).isPresent();
        assertThat(r.body()).contains("rate_limit_error");
        refused.incrementAndGet();
        Thread.sleep(50 + random.nextInt(100));
        continue;
      }
      assertThat(r.statusCode()).as(r.body()).isEqualTo(200);
      String text = Json.parse(r.body(), "body").path("choices").get(0).path("text").asString();
      assertThat(replies.put(number, text)).isNull();
      return;
    }
  }
}
