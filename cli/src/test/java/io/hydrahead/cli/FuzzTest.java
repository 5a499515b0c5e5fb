package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Files that people hand over, damaged at random: a command either works or refuses them as bad
 * input. It never ends as if the fault were the program's.
 */
class FuzzTest {
  /** What takes the place of a piece of a file. */
  private static final List<String> PIECES =
      List.of(
          "",
          "0",
          "-1",
          "1e999",
          "9999999999999999999",
          "null",
          "true",
          "[]",
          "{}",
          "\"\"",
          "\"x\"",
          ",",
          ":",
          "[",
          "]",
          "{",
          "}",
          "\"",
          "\\",
          "\u0000",
          "\u00e9",
          " ",
          "NaN",
          "0.5",
          "[[0]]");

  @TempDir Path temporary;
  private Path model;

  /** A file to damage and the command that reads it. */
  private record Target(Path file, Object... command) {}

  private List<Target> targets;

  @BeforeEach
  void prepare() {
    model = SmallModel.write(temporary.resolve("model"));
    Path plan =
        file("plan.json", "{\"full_attention_heads\": [[0], [1], [2, 3], [3]], \"seed\": 3}");
    Path heads =
        file(
            "heads.json",
            "{\"layers\": 4, \"heads\": 4, \"scores\": [[1,2,3,4],[1,2,3,4],[0,0,0,0.5],[1,1,1,1]],"
                + " \"kappa\": [[1,0,0,0],[0,0,0,0],[0,0,0,0],[0,0,0,1]]}");
    Path ids = file("ids.json", "{\"input_ids\": [[1, 2, 3], [4, 5, 6]]}");
    Path results =
        file(
            "results.json",
            "{\"cells\": [{\"model\": \"a\", \"task\": \"niah_single_1\", \"length\": 256,"
                + " \"accuracy\": 0.5, \"low\": 0.2, \"high\": 0.8, \"samples\": 4, \"seed\": 1}],"
                + " \"commit\": \"c\", \"seed\": 1, \"checkpoint\": \"x\", \"command\": \"y\"}");
    Path log =
        file(
            "log.jsonl",
            "{\"kind\": \"step\", \"stage\": \"s\", \"step\": 1, \"tokens\": 9, \"model\": \"m\","
                + " \"loss\": 1.5}\n");
    Path recipe = Recipes.pretrain(temporary, 1);
    Path transfer = Recipes.transfer(temporary);
    Path out = temporary.resolve("out");
    targets =
        List.of(
            new Target(model.resolve("config.json"), "info", model),
            new Target(model.resolve("model.safetensors"), "info", model),
            new Target(model.resolve("tokenizer.json"), "tokenize", model, "the quick"),
            new Target(ids, "logits", model, "--ids", ids, "-o", out, "--force"),
            new Target(heads, "plan", model, "--heads", heads, "--ratio", "3:1"),
            new Target(heads, "report", heads, "-o", out, "--force"),
            new Target(plan, "convert", model, "--plan", plan, "-o", model),
            new Target(plan, "report", plan, "-o", out, "--force"),
            new Target(results, "report", results, "-o", out, "--force"),
            new Target(log, "report", log, "-o", out, "--force"),
            // A student that is the teacher is refused after the recipe is read: nothing is
            // trained.
            new Target(recipe, "pretrain", "--recipe", recipe, "-o", model),
            new Target(transfer, "transfer", model, plan, "--recipe", transfer, "-o", model),
            new Target(
                Run.home().resolve("recipes/demo.json"), "demo", "--recipe", "", "-o", model));
  }

  private Path file(String name, String text) {
    return Recipes.write(temporary.resolve(name), text);
  }

  private static byte[] damaged(byte[] good, SplittableRandom random) {
    int header = Math.min(good.length, 4096);
    int from = random.nextInt(header + 1);
    int kind = random.nextInt(4);
    if (kind == 0) {
      return Arrays.copyOf(good, from);
    }
    if (kind == 1 && from < good.length) {
      byte[] bad = good.clone();
      bad[from] ^= (byte) (1 << random.nextInt(8));
      return bad;
    }
    int to = Math.min(good.length, from + random.nextInt(kind == 2 ? 4 : 40));
    byte[] piece = PIECES.get(random.nextInt(PIECES.size())).getBytes(StandardCharsets.UTF_8);
    byte[] bad = new byte[from + piece.length + good.length - to];
    System.arraycopy(good, 0, bad, 0, from);
    System.arraycopy(piece, 0, bad, from, piece.length);
    System.arraycopy(good, to, bad, from + piece.length, good.length - to);
    return bad;
  }

  private void damageAndRun(int rounds, long seed) throws IOException {
    SplittableRandom random = new SplittableRandom(seed);
    for (Target t : targets) {
      byte[] good = Files.readAllBytes(t.file());
      Path file = t.file();
      Object[] command = t.command().clone();
      if (!file.startsWith(temporary)) { // a file of the project: damage a copy
        file = temporary.resolve(file.getFileName());
        command[Arrays.asList(command).indexOf("")] = file;
      }
      for (int i = 0; i < rounds; i++) {
        byte[] bad = damaged(good, random);
        Files.write(file, bad);
        Run r = Run.of(command);
        boolean fine = r.code() == ExitCode.OK || r.code() == ExitCode.BAD_INPUT;
        if (!fine || r.err().contains("\tat ") || r.err().contains("Exception")) {
          Path kept = Files.createTempFile("fuzz-", "-" + file.getFileName());
          Files.write(kept, bad);
          fail(
              "seed %d, round %d: %s ended with %d on %s: %s",
              seed, i, Arrays.toString(command), r.code(), kept, r.err());
        }
      }
      Files.write(file, good);
    }
    assertThat(Run.of("info", model).code()).isZero();
  }

  @Test
  void damagedFilesAreBadInput() throws IOException {
    damageAndRun(25, System.nanoTime());
  }

  @Test
  @Tag("slow")
  void manyDamagedFilesAreBadInput() throws IOException {
    damageAndRun(2_000, System.nanoTime());
  }
}
