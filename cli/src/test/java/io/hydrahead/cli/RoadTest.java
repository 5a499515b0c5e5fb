package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** The road from one command to the next: each reads what the one before has written. */
class RoadTest {
  @TempDir Path temporary;

  private static String ok(Object... args) {
    Run r = Run.of(args);
    assertThat(r.code()).as(r.out() + r.err()).isZero();
    return r.out();
  }

  @Test
  void fromPretrainToEval() throws IOException {
    Path teacher = temporary.resolve("teacher");
    ok("pretrain", "--recipe", Recipes.pretrain(temporary, 3), "-o", teacher);
    assertThat(teacher)
        .isDirectoryContaining("glob:**/model.safetensors")
        .isDirectoryContaining("glob:**/tokenizer.json")
        .isDirectoryContaining("glob:**/README.md")
        .isDirectoryContaining("glob:**/training-log.jsonl");

    Path plan = temporary.resolve("plan.json");
    String said = ok("plan", teacher, "--ratio", "3:1", "--rule", "random", "-o", plan);
    assertThat(said).contains("4 of 16 full", "real ratio 3:1", "512K");
    Run again = Run.of("plan", teacher, "--ratio", "3:1", "--rule", "random", "-q");
    assertThat(Json.parse(again.out(), "stdout").path("full_attention_heads"))
        .isEqualTo(Json.read(plan).path("full_attention_heads"));
    assertThat(again.err()).isEmpty();

    Path student = temporary.resolve("student");
    JsonNode summary =
        Json.parse(ok("convert", teacher, "--plan", plan, "-o", student, "--json"), "stdout");
    JsonNode info = Json.parse(ok("info", student, "--json"), "stdout");
    assertThat(info.path("kind").stringValue()).isEqualTo("head-wise hybrid");
    assertThat(info.path("parameters").longValue())
        .as("planned = used")
        .isEqualTo(summary.path("parameters").longValue());
    assertThat(info.path("full_attention_heads"))
        .isEqualTo(Json.read(plan).path("full_attention_heads"));

    Path hybrid = temporary.resolve("hybrid");
    Run transfer =
        Run.of(
            "transfer",
            teacher,
            student,
            "--recipe",
            Recipes.transfer(temporary),
            "-o",
            hybrid,
            "--eval-tasks",
            "mqar,perplexity",
            "--eval-samples",
            "2");
    assertThat(transfer.code()).as(transfer.err()).isZero();
    assertThat(transfer.err()).contains("after align: perplexity", "after lengthen: perplexity");
    JsonNode lengthened = Json.parse(ok("info", hybrid, "--json"), "stdout");
    assertThat(lengthened.path("max_position_embeddings"))
        .as("the long stage raises the context")
        .hasToString("256");
    assertThat(lengthened.path("native_context")).as("and not the native one").hasToString("128");
    assertThat(ok("info", hybrid)).contains("context     256 tokens, lengthened from 128");
    assertThat(ok("info", teacher)).contains("context     128 tokens native");

    Path results = temporary.resolve("results.json");
    String table =
        ok(
            "eval",
            hybrid,
            "--tasks",
            "perplexity,mqar,niah_single_1",
            "--lengths",
            "24,256",
            "--samples",
            "2",
            "--style",
            "short",
            "--seed",
            "3",
            "--json",
            results);
    assertThat(table).contains("perplexity", "not measured: mqar at 24", "95% interval");
    JsonNode cells = Json.read(results).path("cells");
    assertThat(cells.size()).isGreaterThanOrEqualTo(3);
    assertThat(cells.get(0).path("model").stringValue()).isEqualTo("hybrid");
    assertThat(Json.read(results).path("seed").intValue()).isEqualTo(3);
    JsonNode measured = Json.read(results).path("models").get(0);
    assertThat(measured.path("native_length").intValue()).isEqualTo(128);
    assertThat(measured.path("trained_length").intValue()).isEqualTo(256);
    String twice =
        ok(
            "eval",
            hybrid,
            "--tasks",
            "perplexity,mqar,niah_single_1",
            "--lengths",
            "24,256",
            "--samples",
            "2",
            "--style",
            "short",
            "--seed",
            "3",
            "--json",
            "-");
    JsonNode second = Json.parse(twice, "stdout").path("cells");
    for (int i = 0; i < cells.size(); i++) {
      assertThat(second.get(i).path("accuracy")).isEqualTo(cells.get(i).path("accuracy"));
    }
    Path page = temporary.resolve("report.html");
    ok(
        "report",
        results,
        plan,
        hybrid.resolve("training-log.jsonl"),
        "-o",
        page,
        "--title",
        "Mini");
    assertThat(Files.readString(page))
        .startsWith("<!doctype html>")
        .contains("<title>Mini</title>", "<svg", "perplexity")
        .doesNotContain("<script", "src=\"http");
    Files.delete(page);
    try (var left = Files.list(temporary)) {
      assertThat(left.map(p -> p.getFileName().toString()))
          .containsExactlyInAnyOrder(
              "teacher",
              "student",
              "hybrid",
              "plan.json",
              "results.json",
              "pretrain.json",
              "transfer.json");
    }
  }

  @Test
  void convertedModelKeepsTheTeachersAnswersWhereEveryHeadStaysFull() throws IOException {
    Path teacher = SmallModel.write(temporary.resolve("teacher"));
    Path plan = temporary.resolve("plan.json");
    ok("plan", teacher, "--ratio", "full", "-o", plan);
    // Vanilla heads in another folder: the style switches everything HydraHead adds off.
    Path recipe =
        Files.writeString(
            temporary.resolve("vanilla.json"),
            "{\"style\": {\"full_rotary\": true, \"fusion_norm\": false, \"gamma\": false,"
                + " \"gate\": false}}");
    Path same = temporary.resolve("same");
    ok("convert", teacher, "--plan", plan, "--recipe", recipe, "-o", same);
    assertThat(ok("generate", same, "the quick brown", "-n", "10"))
        .isEqualTo(ok("generate", teacher, "the quick brown", "-n", "10"));
  }
}
