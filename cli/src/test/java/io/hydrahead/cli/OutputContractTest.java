package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.checkpoint.SafetensorsFile;
import io.hydrahead.json.Json;
import io.hydrahead.model.GoldenCheck;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;

/** What goes where: data on stdout, the rest on stderr, exit codes, JSON with its schema. */
class OutputContractTest {
  @TempDir Path temporary;

  static List<String> commands() {
    PrintWriter none = new PrintWriter(Writer.nullWriter());
    return HydraHead.commandLine(new Terminal(none, none, 0, false))
        .getSubcommands()
        .keySet()
        .stream()
        .filter(c -> !c.equals("help"))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("commands")
  void everyCommandHasHelpAndTheCommonOptions(String command) {
    Run r = Run.of(command, "--help");
    assertThat(r.code()).isZero();
    assertThat(r.err()).isEmpty();
    assertThat(r.out()).contains("Usage: hydrahead " + command).contains("--debug");
    // Those without effect are left out of the help, and accepted all the same.
    List<String> words = new java.util.ArrayList<>(List.of(command));
    words.addAll(List.of("--threads", "1", "--device", "cpu", "--dtype", "f32", "--seed", "3"));
    words.addAll(List.of("--force", "--quiet", "--deterministic", "--blas", "java"));
    assertThat(Run.of(words.toArray()).err()).doesNotContain("Unknown option");
  }

  @Test
  void optionsWithoutEffectAreNotInTheHelpAndSaySo() {
    assertThat(Run.of("info", "--help").out()).doesNotContain("--threads", "--force");
    assertThat(Run.of("study", "--help").out().replaceAll("\\s+", " "))
        .contains("--seed=N Only this one of the recipe's seeds, and what it needs; default: all.");
    assertThat(Run.of("demo", "--help").out()).contains("--threads").doesNotContain("--seed");
    assertThat(Run.of("eval", "--help").out())
        .contains("--threads", "--device", "--dtype", "--seed", "--force", "--deterministic");
    Run r = Run.of("info", Run.tiny(), "--threads", "1");
    assertThat(r.code()).isZero();
    assertThat(r.err()).isEqualTo("hydrahead: --threads has no effect on info\n");
    assertThat(Run.of("info", Run.tiny(), "--threads", "1", "-q").err()).isEmpty();
  }

  @ParameterizedTest
  @MethodSource("commands")
  void descriptionsAreBrokenWhereTheyShould(String command) {
    CommandLine line =
        HydraHead.commandLine(new Terminal(none(), none(), 0, false)).getSubcommands().get(command);
    String[] description = line.getCommandSpec().usageMessage().description();
    assertThat(description[0]).as("stands alone in the list of commands").endsWith(".");
    assertThat(description)
        .allSatisfy(l -> assertThat(l.replace("%%", "%")).hasSizeLessThanOrEqualTo(80));
    for (CommandLine.Model.OptionSpec o : line.getCommandSpec().options()) {
      assertThat(o.arity().max() == 0 || o.paramLabel().equals(o.paramLabel().toUpperCase()))
          .as(o.longestName() + "=" + o.paramLabel())
          .isTrue();
    }
  }

  private static PrintWriter none() {
    return new PrintWriter(Writer.nullWriter());
  }

  @Test
  void layersThatCannotGiveTheRatioSaySo() {
    Run r = Run.of("plan", Run.tiny(), "--ratio", "31:1", "--axis", "layer", "--floor", "none");
    assertThat(r.code()).isZero();
    assertThat(r.err())
        .contains("whole layers cannot give 31:1", "--axis head comes nearer")
        .contains("--floor has no effect with --axis layer");
    assertThat(Json.parse(r.out(), "stdout").has("floor")).isFalse();
    Run exact = Run.of("plan", Run.tiny(), "--ratio", "2:1", "--axis", "layer");
    assertThat(exact.err()).doesNotContain("cannot give", "no effect");
  }

  @Test
  void versionNamesBuildCommitAndJava() {
    Run r = Run.of("--version");
    assertThat(r.code()).isZero();
    assertThat(r.err()).isEmpty();
    assertThat(r.out().lines())
        .hasSize(3)
        .satisfiesExactly(
            l -> assertThat(l).matches("hydrahead \\d+\\.\\d+\\.\\d+.*"),
            l -> assertThat(l).matches("commit ([0-9a-f]{40}|unknown)"),
            l -> assertThat(l).startsWith("java " + Runtime.version().feature()));
  }

  @Test
  void withoutACommandTheExitCodeSaysBadInput() {
    Run r = Run.of();
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.out()).isEmpty();
    assertThat(r.err()).contains("no command given");
  }

  @Test
  void infoPrintsShapePlanAndMemory() {
    Run r = Run.of("info", Run.tiny());
    assertThat(r.code()).isZero();
    assertThat(r.err()).isEmpty();
    assertThat(r.out())
        .contains("Qwen3 Transformer", "parameters", "4K", "512K", "cache share 100");
  }

  @Test
  void infoJsonHasSchemaAndSources() {
    Run r = Run.of("info", Run.tiny(), "--json", "--seed", "7");
    assertThat(r.code()).isZero();
    JsonNode o = Json.parse(r.out(), "stdout");
    assertThat(o.path("schema").stringValue()).isEqualTo("hydrahead.info");
    assertThat(o.path("schema_version").intValue()).isEqualTo(JsonReport.SCHEMA_VERSION);
    assertThat(o.path("checkpoint").stringValue()).isEqualTo(Run.tiny().toString());
    assertThat(o.path("command").stringValue()).startsWith("hydrahead info ");
    assertThat(o.path("seed").longValue()).isEqualTo(7);
    assertThat(o.has("commit")).isTrue();
    long perToken = 0;
    JsonNode memory = o.path("memory");
    assertThat(memory.size()).isEqualTo(8);
    for (JsonNode m : memory) { // all heads full: linear in the context
      long now = m.path("key_value_bytes").longValue() / m.path("tokens").longValue();
      assertThat(perToken == 0 || perToken == now).isTrue();
      perToken = now;
    }
    long layers = o.path("layers").longValue();
    assertThat(perToken)
        .isEqualTo(
            2 * 4 * layers * o.path("kv_heads").longValue() * o.path("head_dim").longValue());
  }

  @Test
  void logitsEqualTheGoldenOnes() {
    Path ids = temporary.resolve("ids.json");
    Path out = temporary.resolve("out.safetensors");
    try (SafetensorsFile golden = SafetensorsFile.open(Run.tiny().resolve("golden.safetensors"))) {
      writeIds(golden, ids);
      Run r = Run.of("logits", Run.tiny(), "--ids", ids, "-o", out);
      assertThat(r.code()).as(r.err()).isZero();
      assertThat(r.out().strip()).isEqualTo(out.toString());
      try (SafetensorsFile got = SafetensorsFile.open(out)) {
        assertThat(GoldenCheck.relativeL2(got.get("logits"), golden.get("logits")))
            .isCloseTo(0, within(1e-4));
        assertThat(got.get("input_ids").getLong(3)).isEqualTo(golden.get("input_ids").getLong(3));
      }
    }
    Run again = Run.of("logits", Run.tiny(), "--ids", ids, "-o", out);
    assertThat(again.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(again.err()).contains("--force");
    assertThat(Run.of("logits", Run.tiny(), "--ids", ids, "-o", out, "--force").code()).isZero();
  }

  /** Whatever the command, before it reads or computes anything; and root makes no folders. */
  @Test
  void aMissingParentFolderIsAnError() {
    Path none = temporary.resolve("none");
    Path target = none.resolve("deep/x");
    Object[][] commands = { // the output last
      {"eval", none, "--json", target},
      {"probe", none, "-o", target},
      {"logits", none, "--ids", none, "-o", target},
      {"bench", "decode", "--json", target},
      {"bench", "serve", "--soak", "1s", "--json", target},
      {"plan", none, "--ratio", "7:1", "-o", target},
      {"convert", none, "--plan", none, "-o", target},
      {"transfer", none, none, "--recipe", none, "-o", target},
      {"pretrain", "--recipe", none, "-o", target},
      {"report", none, "-o", target},
      {"demo", "-o", target},
      {"study", "--recipe", Run.home().resolve("recipes/tiny-hybrid.json"), "-o", target},
    };
    for (Object[] words : commands) {
      Run r = Run.of(words);
      assertThat(r.code()).as(words[0] + r.err()).isEqualTo(ExitCode.BAD_INPUT);
      assertThat(r.err())
          .as(words[0].toString())
          .contains("there is no folder " + target.getParent())
          .contains("choose another " + words[words.length - 2]);
      assertThat(none).doesNotExist();
    }
  }

  private static void writeIds(SafetensorsFile golden, Path file) {
    StringBuilder s = new StringBuilder("[");
    var input = golden.get("input_ids");
    for (int b = 0; b < input.size(0); b++) {
      s.append(b == 0 ? "[" : ",[");
      for (int t = 0; t < input.size(1); t++) {
        s.append(t == 0 ? "" : ",").append(input.getLong((long) b * input.size(1) + t));
      }
      s.append("]");
    }
    try {
      Files.writeString(file, s.append("]"));
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @Test
  void checkPassesOnTheGoldenFileAndFailsBelowItsPrecision() {
    Path golden = Run.tiny().resolve("golden.safetensors");
    Run fine = Run.of("check", Run.tiny(), golden);
    assertThat(fine.code()).as(fine.out() + fine.err()).isZero();
    assertThat(fine.out())
        .contains("logits", "decode_logits", "hidden_states.0", "loss")
        .contains("grad.model.embed_tokens.weight", "passed");
    Run strict = Run.of("check", Run.tiny(), golden, "--tolerance", "1e-12", "--json");
    assertThat(strict.code()).isEqualTo(ExitCode.CHECK_FAILED);
    JsonNode o = Json.parse(strict.out(), "stdout");
    assertThat(o.path("passed").booleanValue()).isFalse();
    assertThat(o.path("tensors").size()).isGreaterThan(40);
  }

  @Test
  void doctorNamesEveryPartWithItsFix() {
    Run r = Run.of("doctor");
    assertThat(r.code()).isZero();
    assertThat(r.out())
        .contains("JDK", "GC", "Vector API", "native access", "BLAS", "libcuda", "libnvrtc")
        .contains("libcublasLt", "memory");
    JsonNode o = Json.parse(Run.of("doctor", "--json").out(), "stdout");
    assertThat(o.path("schema").stringValue()).isEqualTo("hydrahead.doctor");
    for (JsonNode c : o.path("checks")) {
      boolean ok = c.path("status").stringValue().equals("ok");
      assertThat(c.path("fix").stringValue().isEmpty())
          .as(c.path("name").stringValue())
          .isEqualTo(ok);
    }
  }

  @Test
  void doctorKnowsJdksThatAreTooOld() {
    assertThat(Examination.jdk(Runtime.Version.parse("25.0.2")).fix()).contains("25.0.3");
    assertThat(Examination.jdk(Runtime.Version.parse("25.0.3+9")).fix()).isEmpty();
    assertThat(Examination.jdk(Runtime.Version.parse("26")).fix()).isEmpty();
  }

  @Test
  void completionIsAScriptThatKnowsTheCommands() {
    Run r = Run.of("completion");
    assertThat(r.code()).isZero();
    assertThat(r.out()).startsWith("#!/usr/bin/env bash").contains("doctor", "--tolerance");
  }

  @Test
  void tokenCountsAreReadAsPeopleWriteThem() {
    assertThat(TokenCount.parse("4K").tokens()).isEqualTo(4096);
    assertThat(TokenCount.parse("1m").tokens()).isEqualTo(1 << 20);
    assertThat(TokenCount.parse("300").tokens()).isEqualTo(300);
    assertThat(new TokenCount(512 * 1024)).hasToString("512K");
    for (String bad : List.of("", "K", "-1", "0", "4.5K", "99999999999999999999")) {
      assertThat(org.assertj.core.api.Assertions.catchThrowable(() -> TokenCount.parse(bad)))
          .as(bad)
          .isInstanceOf(CommandLine.TypeConversionException.class);
    }
  }

  @Test
  void commandsCanBePastedBack() {
    assertThat(CommonOptions.commandLine(java.util.List.of("eval", "a b", "it's", "--n=3", "")))
        .isEqualTo("hydrahead eval 'a b' 'it'\\''s' --n=3 ''");
  }
}
