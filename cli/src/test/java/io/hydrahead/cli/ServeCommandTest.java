package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.json.Json;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.model.Style;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.InputException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class ServeCommandTest {
  @TempDir Path temporary;

  @AfterEach
  void nobodyAskedToStop() {
    Interrupts.request(false);
  }

  @Test
  @Timeout(value = 120, unit = TimeUnit.SECONDS)
  void servesUntilInterrupted() throws Exception {
    Path model = SmallModel.write(temporary.resolve("small"));
    String err = serve("the quick", model);
    assertThat(err)
        .contains("serving 'small'", "\"path\":\"/v1/completions\"", "\"status\":200")
        .doesNotContain("tokens of prompts", "chat_template");
    Files.delete(model.resolve("chat_template.jinja"));
    assertThat(serve("the quick", model))
        .contains("the checkpoint has no chat_template.jinja; chats are written as ChatML");
  }

  @Test
  void allAddressesOfThisMachineAreToldAsOneThatWorks() throws Exception {
    assertThat(Listening.of(URI.create("http://127.0.0.1:81")))
        .isEqualTo(new Listening("http://127.0.0.1:81", ""));
    assertThat(Listening.of(URI.create("http://[::1]:81")).base()).isEqualTo("http://[::1]:81");
    for (String all : List.of("0.0.0.0", "[::]")) {
      Listening at = Listening.of(URI.create("http://" + all + ":81"));
      URI told = URI.create(at.base());
      assertThat(told.getPort()).isEqualTo(81);
      InetAddress address = InetAddress.getByName(told.getHost());
      assertThat(address.isAnyLocalAddress()).as(at.base()).isFalse();
      assertThat(NetworkInterface.getByInetAddress(address)).as(at.base()).isNotNull();
      assertThat(at.where()).contains("all addresses of this machine");
    }
  }

  @Test
  void whatIsSaidOfLongTextsHoldsForTheModel() {
    HeadPlan full = HeadPlan.allFull(2, 4);
    HeadPlan some = HeadPlan.of(List.of(List.of(0, 1), List.of()), 2, 4);
    HeadPlan none = HeadPlan.of(List.of(List.of(), List.of()), 2, 4);
    assertThat(GenerateCommand.beyond(full, Style.VANILLA)).contains("plain Transformer", "worse");
    assertThat(GenerateCommand.beyond(some, Style.HYDRAHEAD))
        .contains("full heads without positions go on")
        .doesNotContain("worse");
    assertThat(GenerateCommand.beyond(none, Style.HYDRAHEAD)).contains("linear heads go on");
    assertThat(GenerateCommand.beyond(some, Style.QWEN3_5)).contains("rotary", "worse");
  }

  @Test
  void bodiesHaveSizesWithUnits() {
    Path model = SmallModel.write(temporary.resolve("small"));
    for (String size : List.of("0", "1.5M", "many", "-1", "1025", "2G", "512")) {
      Run r = Run.of("serve", model, "-p", "70000", "--max-body", size);
      assertThat(r.code()).as(size).isEqualTo(ExitCode.BAD_INPUT);
      boolean fine = size.equals("512"); // then the port is what is wrong
      assertThat(r.err()).as(size).contains(fine ? "--port" : "--max-body");
    }
    assertThat(new ServeCommand.Mebibytes().convert("32").bytes()).isEqualTo(32 << 20);
    assertThat(new ServeCommand.Mebibytes().convert("1M").bytes()).isEqualTo(1 << 20);
    assertThat(new ServeCommand.Mebibytes().convert("64K").bytes()).isEqualTo(64 << 10);
  }

  /** What a server that answers one prompt and is interrupted writes to stderr. */
  private static String serve(String prompt, Path model, Object... more) throws Exception {
    Interrupts.request(false);
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    Terminal terminal =
        new Terminal(new PrintWriter(out, true), new PrintWriter(err, true), 0, false);
    List<String> words = new ArrayList<>(List.of("serve", model.toString(), "-p", "0"));
    words.addAll(List.of("--device", "cpu"));
    Arrays.stream(more).forEach(w -> words.add(w.toString()));
    CompletableFuture<Integer> code =
        CompletableFuture.supplyAsync(() -> HydraHead.run(terminal, words.toArray(String[]::new)));
    while (!out.toString().contains("/v1\n") && !code.isDone()) {
      Thread.sleep(20);
    }
    assertThat(out.toString())
        .as(err.toString())
        .matches("page  http://127\\.0\\.0\\.1:(\\d+)/\napi   http://127\\.0\\.0\\.1:\\1/v1\n");
    String base = out.toString().lines().toList().getLast().substring(6);
    try (HttpClient client = HttpClient.newHttpClient()) {
      String body = Json.object().put("prompt", prompt).put("max_tokens", 4).toString();
      HttpResponse<String> reply =
          client.send(
              HttpRequest.newBuilder(URI.create(base + "/completions"))
                  .header("Content-Type", "application/json")
                  .POST(BodyPublishers.ofString(body))
                  .build(),
              BodyHandlers.ofString());
      assertThat(reply.statusCode()).as(reply.body()).isEqualTo(200);
      assertThat(reply.body()).contains("\"model\":\"small\"");
    }
    Interrupts.request(true);
    assertThat(code.get(60, TimeUnit.SECONDS)).isEqualTo(ExitCode.INTERRUPTED);
    return err.toString();
  }

  @Test
  @Timeout(value = 120, unit = TimeUnit.SECONDS)
  void prefixesOutliveTheServer() throws Exception {
    Path model = SmallModel.write(temporary.resolve("small"));
    Path folder = temporary.resolve("prefixes");
    String prompt = "the quick brown fox jumps over the lazy dog\n".repeat(8);
    assertThat(serve(prompt, model, "--prefix-dir", folder))
        .contains("64 tokens of prompts are saved", folder.toString())
        .doesNotContain("known again", "warning");
    assertThat(serve(prompt, model, "--prefix-dir", folder, "--prefix-disk", "1G"))
        .contains("64 tokens of prompts are known again")
        .doesNotContain("saved", "warning");
    Path file;
    try (Stream<Path> files = Files.list(folder)) {
      file = files.findFirst().orElseThrow();
    }
    byte[] bytes = Files.readAllBytes(file);
    bytes[bytes.length / 2] ^= 1;
    Files.write(file, bytes);
    assertThat(serve(prompt, model, "--prefix-dir", folder))
        .contains("warning: no saved prefixes are used; those of this run are saved at its end: ")
        .contains(file + ": is damaged; saving replaces it", "64 tokens of prompts are saved");
    assertThat(serve(prompt, model, "--prefix-dir", folder))
        .contains("64 tokens of prompts are known again")
        .doesNotContain("warning");
  }

  @Test
  void refusesAFolderForPrefixesThatCannotBe() throws Exception {
    Path model = SmallModel.write(temporary.resolve("small"));
    Path file = Files.writeString(temporary.resolve("file"), "");
    Files.delete(model.resolve("model.safetensors")); // nothing is loaded for it
    Run r = Run.of("serve", model, "-p", "0", "--prefix-dir", file.resolve("below"));
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err()).contains(file + " is a file; choose another --prefix-dir");
    Run alone = Run.of("serve", model, "-p", "0", "--prefix-disk", "1G");
    assertThat(alone.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(alone.err()).contains("give --prefix-dir");
    for (String size : List.of("0", "many", "-1", "9999999999999999T", "1.5G")) {
      Run bad = Run.of("serve", model, "--prefix-dir", temporary, "--prefix-disk", size);
      assertThat(bad.code()).as(size).isEqualTo(ExitCode.BAD_INPUT);
      assertThat(bad.err()).contains("'--prefix-disk'", size);
    }
  }

  /** The system of /proc lets nobody make a folder, whatever its permissions say. */
  @Test
  void triesTheFolderForPrefixes() throws Exception {
    Path model = SmallModel.write(temporary.resolve("small"));
    Files.delete(model.resolve("model.safetensors")); // nothing is loaded for it
    if (Files.isDirectory(Path.of("/proc/self"))) {
      Run r = Run.of("serve", model, "-p", "0", "--prefix-dir", "/proc/hydrahead");
      assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
      assertThat(r.err())
          .contains("/proc/hydrahead", "cannot be written", "choose another --prefix-dir");
    }
    Run empty = Run.of("serve", model, "-p", "0", "--prefix-dir", "");
    assertThat(empty.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(empty.err()).contains("--prefix-dir", "empty");
    Path fine = temporary.resolve("yet");
    Run.of("serve", model, "-p", "0", "--prefix-dir", fine);
    assertThat(fine).as("what was tried is gone").doesNotExist();
    Run slip = Run.of("serve", model, "-p", "0", "--prefix-dir", temporary.resolve("not/yet"));
    assertThat(slip.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(slip.err()).contains("there is no folder " + temporary.resolve("not"));
  }

  @Test
  void refusesAContextThatDoesNotFitIntoMemory() {
    Path model = SmallModel.write(temporary.resolve("small"));
    for (String context : List.of("1000M", "9999999M")) {
      Run r = Run.of("serve", model, "-p", "0", "--device", "cpu", "--max-context", context);
      assertThat(r.code()).as(r.err()).isEqualTo(ExitCode.BAD_INPUT);
      assertThat(r.err())
          .contains("--max-context " + TokenCount.parse(context).tokens() + " does not fit")
          .containsPattern("the largest --max-context that does is \\d+");
    }
  }

  @Test
  void whatFitsIsTheLargestThatDoes() {
    Path folder = SmallModel.write(temporary.resolve("small"));
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults());
        HybridTransformer model =
            HybridTransformer.load(folder, ops, ModelFiles.LoadOptions.STORED)) {
      assertThat(ServeMemory.context(model, null, 32))
          .isEqualTo(model.config().maxPositionEmbeddings());
      assertThat(ServeMemory.context(model, new TokenCount(5000), 32)).isEqualTo(5000);
      String told =
          catchThrowable(() -> ServeMemory.context(model, new TokenCount(1L << 40), 32))
              .getMessage();
      long most = Long.parseLong(told.replaceAll("(?s).* is (\\d+)$", "$1"));
      assertThat(ServeMemory.context(model, new TokenCount(most), 32)).isEqualTo((int) most);
      assertThatThrownBy(() -> ServeMemory.context(model, new TokenCount(most + 1), 32))
          .isInstanceOf(InputException.class);
    }
  }

  @Test
  void refusesNamesThatNobodyCanSend() {
    Path model = SmallModel.write(temporary.resolve("small"));
    for (String name : List.of("", " ", "a\nb")) {
      Run r = Run.of("serve", model, "-p", "0", "--name", name);
      assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
      assertThat(r.err()).contains("--name is empty or has control characters", "'small'");
    }
  }

  @Test
  void noticesABusyPortBeforeItLoads() throws Exception {
    Path model = SmallModel.write(temporary.resolve("small"));
    Files.delete(model.resolve("model.safetensors")); // loading would fail on this
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      Run r = Run.of("serve", model, "-p", taken.getLocalPort());
      assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
      assertThat(r.err())
          .contains("cannot listen at 127.0.0.1:" + taken.getLocalPort(), "take another port");
    }
    Run r = Run.of("serve", model, "-p", "0", "--host", "203.0.113.7", "--api-key", "k");
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err()).contains("203.0.113.7", "this machine has no such address");
    Run none = Run.of("serve", model, "-p", "0", "--host", "");
    assertThat(none.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(none.err()).contains("host to listen at is empty");
  }

  @Test
  void aKeyIsNeverEmpty() {
    assertThat(ServeCommand.key(null, null)).isNull();
    assertThat(ServeCommand.key(null, "k 1")).isEqualTo("k 1");
    assertThat(ServeCommand.key("option", "variable")).isEqualTo("option");
    assertThat(ServeCommand.key("option", "")).isEqualTo("option");
    for (String empty : List.of("", "  ")) {
      assertThatThrownBy(() -> ServeCommand.key(null, empty))
          .isInstanceOf(InputException.class)
          .hasMessage(
              "HYDRAHEAD_API_KEY is set, and empty; give it a key, or unset it to serve without one");
      assertThatThrownBy(() -> ServeCommand.key(empty, "k"))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("--api-key is empty");
    }
    for (String odd : List.of("k\n", " k", "schlüssel", "a\u0000b")) {
      assertThatThrownBy(() -> ServeCommand.key(null, odd))
          .hasMessageContaining("HYDRAHEAD_API_KEY has");
      assertThatThrownBy(() -> ServeCommand.key(odd, null)).hasMessageContaining("--api-key has");
    }
  }

  @Test
  void refusesToOpenUpWithoutAKey() {
    Path model = SmallModel.write(temporary.resolve("small"));
    Run r = Run.of("serve", model, "--host", "0.0.0.0", "-p", "0");
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err()).contains("0.0.0.0", "API key");
    Run port = Run.of("serve", model, "-p", "70000");
    assertThat(port.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(port.err()).contains("--port must be from 0 to 65535");
  }

  @Test
  void benchServeCountsWhatClientsGet() {
    Path file = temporary.resolve("figures.json");
    Run r =
        Run.of(
            "bench",
            "serve",
            "--shape",
            "tiny",
            "--plan",
            "head-7:1",
            "--contexts",
            "70",
            "--clients",
            "1,3",
            "--reply",
            "8",
            "--seconds",
            "0.05",
            "--device",
            "cpu",
            "--json",
            file);
    assertThat(r.code()).as(r.err()).isZero();
    JsonNode figures = Json.read(file).path("figures");
    assertThat(figures.size()).isEqualTo(2);
    for (JsonNode f : figures) {
      assertThat(f.path("requests").intValue())
          .isGreaterThanOrEqualTo(f.path("clients").intValue());
      double ratio =
          f.path("prompt_tokens_per_second").doubleValue()
              / f.path("tokens_per_second").doubleValue();
      assertThat(ratio).isCloseTo(70 / 8.0, within(1e-6));
      assertThat(f.path("first_token_ms").doubleValue()).isPositive();
      assertThat(f.path("between_ms_95").doubleValue())
          .isGreaterThanOrEqualTo(f.path("between_ms").doubleValue());
    }
    assertThat(r.out()).contains("head-7:1", "tokens/s");
  }
}
