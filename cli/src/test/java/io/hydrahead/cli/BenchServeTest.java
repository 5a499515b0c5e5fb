package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ModelShapes;
import io.hydrahead.model.Style;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Progress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

@Timeout(value = 300, unit = TimeUnit.SECONDS)
class BenchServeTest {
  /** Bytes of a token's keys and values in the shape {@code tiny}, all heads full, float32. */
  private static final long TOKEN = 4L * 8 * 32 * 2 * 4;

  /** Bytes of the states of 28 linear heads of 32 by 32. */
  private static final long STATES = 28L * 32 * 32 * 4;

  @TempDir Path temporary;

  @AfterEach
  void nobodyAskedToStop() {
    Interrupts.request(false);
  }

  private Run bench(Object... args) {
    List<Object> all = new ArrayList<>(List.of("bench", "serve", "--device", "cpu"));
    all.addAll(List.of(args));
    all.addAll(List.of("--json", file(), "--force"));
    return Run.of(all.toArray());
  }

  private Path file() {
    return temporary.resolve("figures.json");
  }

  @Test
  void capacityIsWhatFitsAndRunsAtOnce() {
    long memory = 12 << 20;
    for (List<String> how : List.of(List.<String>of(), List.of("--read"))) {
      List<Object> args = new ArrayList<>(how);
      args.addAll(List.of("--shape", "tiny", "--plan", "full,head-7:1", "--contexts", "240"));
      args.addAll(List.of("--capacity", "--memory", "12M", "--reply", "16", "--seconds", "0.01"));
      Run r = bench(args.toArray());
      assertThat(r.code()).as(r.err()).isZero();
      JsonNode figures = Json.read(file()).path("figures");
      assertThat(figures.size()).isEqualTo(2);
      // 240 tokens and 16 are 4 blocks of 64; a block and a slot more are nobody's.
      long[] block = {64 * TOKEN, 64 * TOKEN / 8};
      long[] slot = {0, STATES};
      for (int i = 0; i < 2; i++) {
        JsonNode f = figures.get(i);
        long text = 4 * block[i] + slot[i];
        long texts = (memory - block[i] - slot[i]) / text;
        assertThat(f.path("text_bytes").longValue()).isEqualTo(text);
        assertThat(f.path("texts").longValue()).isEqualTo(texts);
        assertThat(f.path("texts_at_once").longValue()).isEqualTo(texts);
        assertThat(f.path("kv_bytes").longValue()).isEqualTo(texts * 4 * block[i]);
        assertThat(f.path("state_bytes").longValue()).isEqualTo(texts * slot[i]);
        assertThat(f.path("tokens_per_second").doubleValue()).isPositive();
        assertThat(f.path("prompts").stringValue()).isEqualTo(how.isEmpty() ? "noise" : "read");
      }
      assertThat(figures.get(1).path("of_first_plan").doubleValue()).isGreaterThan(4);
      assertThat(r.out()).contains(how.isEmpty() ? "noise" : "which were read");
      assertThat(r.out()).contains("a text takes", "keys, values of all", "states of all");
    }
  }

  @Test
  void whereNotOneFits() {
    Run r =
        bench("--shape", "tiny", "--plan", "full", "--capacity", "--memory", "1M", "--reply", "8");
    assertThat(r.code()).as(r.err()).isZero();
    JsonNode f = Json.read(file()).path("figures").get(0);
    assertThat(f.path("texts").intValue()).isZero();
    assertThat(f.path("tokens_per_second").doubleValue()).isZero();
    // 512 tokens and 8 are 9 blocks of 64; a block more is nobody's.
    long least = 10 * 64 * TOKEN;
    assertThat(r.out())
        .contains("full: not one text of 512 and 8 fits into 1.0 MiB; one takes --memory " + least)
        .contains("5.0 MiB, of which 512 KiB are nobody's");
    Run enough =
        bench(
            "--shape",
            "tiny",
            "--plan",
            "full",
            "--capacity",
            "--memory",
            least,
            "--reply",
            "8",
            "--seconds",
            "0.01");
    assertThat(enough.code()).as(enough.err()).isZero();
    assertThat(Json.read(file()).path("figures").get(0).path("texts").intValue()).isEqualTo(1);
    assertThat(enough.out()).doesNotContain("not one text");
  }

  @Test
  void mixedLengthsWithSharedBeginnings() {
    Run r =
        bench(
            "--shape",
            "tiny",
            "--plan",
            "head-7:1",
            "--contexts",
            "130,260",
            "--mix",
            "--shared",
            "1",
            "--clients",
            "2",
            "--reply",
            "4",
            "--seconds",
            "3");
    assertThat(r.code()).as(r.err()).isZero();
    JsonNode figures = Json.read(file()).path("figures");
    assertThat(figures.size()).isEqualTo(1);
    JsonNode f = figures.get(0);
    assertThat(f.path("lengths").size()).isEqualTo(2);
    assertThat(f.path("shared").doubleValue()).isEqualTo(1);
    assertThat(f.path("requests").intValue()).isPositive();
    assertThat(f.path("cache_hits").doubleValue()).isBetween(0.0, 1.0);
    // Known beginnings are at most the half that is common, in whole blocks.
    assertThat(f.path("cached_tokens").doubleValue()).isBetween(0.0, 0.5);
    assertThat(f.path("by_length").size()).isBetween(1, 2);
    assertThat(r.out()).contains("130+260", "cache hits");
  }

  /** Twenty seconds of everything over HTTP: nothing is lost, and all is told. */
  @Test
  void soak() {
    Path model = Run.home().resolve("models/tiny-hybrid");
    Run r = bench("--soak", "20s", "--checkpoint", model, "--clients", "3");
    JsonNode report = Json.read(file());
    assertThat(r.code()).as(r.out() + r.err()).isZero();
    assertThat(report.path("schema").stringValue()).isEqualTo("hydrahead.soak");
    assertThat(report.path("verdict").stringValue()).isEqualTo("too short to tell");
    assertThat(report.path("interrupted").booleanValue()).isFalse();
    assertThat(report.path("idle_at_end").booleanValue()).isTrue();
    JsonNode requests = report.path("requests");
    assertThat(requests.path("lost").longValue()).isZero();
    long done = 0;
    for (JsonNode kind : requests.path("by_kind")) {
      done += kind.longValue();
    }
    assertThat(done).isPositive().isEqualTo(requests.path("done").longValue());
    assertThat(report.path("growth").size()).isEqualTo(7);
    assertThat(report.path("samples").size()).isGreaterThan(1);
    for (JsonNode s : report.path("samples")) {
      assertThat(s.path("heap").longValue()).isGreaterThan(1 << 20);
      assertThat(s.path("buffers").longValue()).isGreaterThan(1 << 20);
      assertThat(s.path("threads").longValue()).isPositive();
    }
    assertThat(r.out()).contains("live heap", "0 lost", "too short to tell");
    assertThat(r.err()).doesNotContain("of no use");
    String count = String.format(Locale.ROOT, "%,d requests", done);
    assertThat(r.out()).contains("\n" + count + " in ");
    assertThat(r.err().lines().filter(l -> l.startsWith("soak: ")))
        .last()
        .asString()
        .contains(", " + count);
  }

  @Test
  void anInterruptedSoakTellsWhatItSaw() {
    Interrupts.request(true);
    Path model = Run.home().resolve("models/tiny-hybrid");
    Run r = bench("--soak", "1h", "--checkpoint", model);
    assertThat(r.code()).as(r.err()).isEqualTo(ExitCode.INTERRUPTED);
    JsonNode report = Json.read(file());
    assertThat(report.path("interrupted").booleanValue()).isTrue();
    assertThat(report.path("samples").size()).isEqualTo(1);
    assertThat(report.path("verdict").stringValue()).isEqualTo("too short to tell");
  }

  @Test
  void fairnessIsMeasuredBesideALongPrompt() {
    Run r =
        bench(
            "--shape",
            "tiny",
            "--plan",
            "head-7:1",
            "--contexts",
            "100",
            "--fairness",
            "2K",
            "--reply",
            "5",
            "--seconds",
            "0.3");
    assertThat(r.code()).as(r.err()).isZero();
    assertThat(r.err()).contains("of no use with --fairness, and ignored: --reply");
    JsonNode f = Json.read(file()).path("figures").get(0);
    assertThat(f.path("tokens").intValue()).isEqualTo(100);
    assertThat(f.path("beside_tokens").intValue()).isEqualTo(2048);
    assertThat(f.path("requests").intValue()).isGreaterThanOrEqualTo(5);
    double alone = f.path("alone_first_token_ms").doubleValue();
    double beside = f.path("beside_first_token_ms").doubleValue();
    assertThat(alone).isPositive();
    assertThat(f.path("ratio").doubleValue()).isEqualTo(beside / alone);
    assertThat(r.out()).contains("ratio");
  }

  @Test
  void optionsThatDoNotGoTogetherAreRefused() {
    String[][] wrong = { // what the message names, then the options
      {"--contexts", "--mix"},
      {"--shared must be from 0 to 1, not 1.5", "--shared", "1.5"},
      {"--shared must be from 0 to 1, not 2\n", "--shared", "2"},
      {"such as 90s", "--soak", "20"},
      {"such as 90s", "--soak", "0s"},
      {"take one", "--soak", "20s", "--capacity"},
      {"take one", "--fairness", "1K", "--capacity"},
      {"--clients", "--soak", "20s", "--clients", "1,8"},
      {"--capacity", "--memory", "3G"},
      {"such as 512M", "--capacity", "--memory", "lots"},
      {"--memory", "--capacity", "--memory", "900T"},
      {"--contexts", "--contexts", "1000M"},
      {"--reply", "--capacity", "--reply", "3"},
      {"--reply must be at least 1, not 0", "--reply", "0"},
      {"--clients must be from 1 to 4096, not 5000", "--clients", "1,5000"},
      {"--soak", "--checkpoint", "models/tiny-hybrid"},
    };
    for (String[] row : wrong) {
      Run r = bench((Object[]) Arrays.copyOfRange(row, 1, row.length));
      assertThat(r.code()).as(String.join(" ", row)).isEqualTo(ExitCode.BAD_INPUT);
      assertThat(r.err()).contains(row[0]);
    }
    Run none = bench("--soak", "20s", "--checkpoint", "no/such/folder");
    assertThat(none.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(none.err()).contains("no/such/folder");
    Run other = Run.of("bench", "decode", "--capacity");
    assertThat(other.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(other.err()).contains("bench serve");
  }

  @Test
  void helpTellsDefaultsAndWhatTakesLonger() {
    String help = Run.of("bench", "--help").out().replaceAll("\\s+", " ");
    assertThat(help)
        .contains("of prompts for serve (default: 512).")
        .contains("Random weights in memory: F32, BF16; default: BF16, for train F32")
        .contains("the figure waits for what they have asked for")
        .contains("the last replies after it take some seconds more")
        .contains("Where none fits, that is the answer, and the exit code is 0")
        .doesNotContain("default: as stored");
  }

  /** Long enough for a look at how far it is: what is counted, and how long it takes still. */
  @Test
  void progressCountsTokensOfRepliesAndTellsWhenTheLastCome() throws Exception {
    List<String> notes = new ArrayList<>();
    List<Long> done = new ArrayList<>();
    Progress progress =
        new Progress() {
          @Override
          public void begin(String what, long total, String unit) {}

          @Override
          public void advance(long now, String note) {
            done.add(now);
            notes.add(note);
          }

          @Override
          public void end() {}

          @Override
          public boolean cancelled() {
            return false;
          }
        };
    ModelConfig config = ModelShapes.get("tiny");
    HeadPlan plan = BenchCommand.PlanName.HEAD_7_1.plan(config);
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults());
        HybridTransformer model =
            ModelShapes.random(config, plan, Style.HYDRAHEAD, DType.F32, ops)) {
      ServeBench.Load load = new ServeBench.Load(2, new int[] {64}, 0, 16);
      ServeBench.Figure f = new ServeBench(model, 2).measure(load, progress);
      assertThat(done).isSorted();
      assertThat(done.getLast()).isEqualTo(16L * f.requests());
      assertThat(notes).anyMatch(n -> n.matches("about 0:0\\d left"));
      assertThat(notes.getLast()).isEmpty();
    }
  }

  @Test
  void aStoppedFigureDoesNotWaitForItsReplies() {
    Interrupts.request(true);
    Run r = bench("--shape", "tiny", "--plan", "full", "--clients", "4", "--reply", "4000");
    assertThat(r.code()).as(r.err()).isEqualTo(ExitCode.INTERRUPTED);
  }

  @Test
  void timesAndAmounts() {
    assertThat(TimeSpan.parse("90s").seconds()).isEqualTo(90);
    assertThat(TimeSpan.parse("30m")).hasToString("30m");
    assertThat(TimeSpan.parse("24H").seconds()).isEqualTo(86_400);
    assertThat(TimeSpan.parse("90s")).hasToString("90s");
    assertThat(ByteCount.parse("60G").bytes()).isEqualTo(60L << 30);
    assertThat(ByteCount.parse("512MiB").bytes()).isEqualTo(512L << 20);
    assertThat(ByteCount.parse("1000").bytes()).isEqualTo(1000);
  }
}
