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
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
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
    HttpRequest request =
        HttpRequest.newBuilder(server.uri().resolve("/v1/completions"))
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(body))
            .build();
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
