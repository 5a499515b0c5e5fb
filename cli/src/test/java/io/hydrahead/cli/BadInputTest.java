package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.checkpoint.OutputFolder;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever a user gets wrong: a clear line on stderr, exit code 2, nothing written. */
class BadInputTest {
  @TempDir Path temporary;
  private Path model;
  private Path out;

  @BeforeEach
  void prepare() throws IOException {
    model = SmallModel.write(temporary.resolve("model"));
    out = Files.createDirectory(temporary.resolve("out"));
  }

  private List<String> files() {
    try (Stream<Path> all = Files.walk(temporary)) {
      List<String> found = new ArrayList<>();
      for (Path p : all.sorted().toList()) {
        found.add(temporary.relativize(p) + " " + (Files.isRegularFile(p) ? Files.size(p) : 0));
      }
      return found;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Runs it and checks everything but the message, which it returns. */
  private String refused(Object... args) {
    List<String> before = files();
    Run r = Run.of(args);
    assertThat(r.code()).as(r.out() + r.err()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.out()).isEmpty();
    assertThat(r.err()).startsWith("hydrahead: ").doesNotContain("\tat ", "Exception");
    assertThat(files()).isEqualTo(before);
    return r.err();
  }

  private void edit(String file, String from, String to) throws IOException {
    Path p = model.resolve(file);
    String text = Files.readString(p);
    assertThat(text).contains(from);
    Files.writeString(p, text.replace(from, to));
  }

  private byte[] weights() throws IOException {
    return Files.readAllBytes(model.resolve("model.safetensors"));
  }

  @Test
  void missingFolderFileAndField() throws IOException {
    assertThat(refused("info", temporary.resolve("none"))).contains("none", "no such");
    assertThat(refused("generate", temporary.resolve("none"), "the"))
        .contains("none: no such checkpoint folder");
    assertThat(refused("bench", "decode", "--shape", "none")).contains("none", "qwen3-0.6b");
    edit("config.json", "\"hidden_size\"", "\"hidden_sise\"");
    assertThat(refused("info", model))
        .contains("config.json", "hidden_size is missing", "there is 'hidden_sise'");
    edit("config.json", "\"hidden_sise\"", "\"hidden_size\"");
    Files.delete(model.resolve("model.safetensors"));
    assertThat(refused("generate", model, "the")).contains("model.safetensors");
  }

  @Test
  void truncatedWeights() throws IOException {
    byte[] all = weights();
    for (int keep : new int[] {0, 4, 100, all.length - 1}) {
      Files.write(model.resolve("model.safetensors"), java.util.Arrays.copyOf(all, keep));
      assertThat(refused("generate", model, "the")).contains("model.safetensors");
    }
  }

  @Test
  void flippedBitsInTheHeader() throws IOException {
    byte[] all = weights();
    String header = new String(all, 8, 600, StandardCharsets.UTF_8);
    int entry = 8 + header.indexOf("\"model.");
    int end = 8 + header.indexOf('}', entry - 8);
    for (int at = 0; at <= end; at = at == 7 ? entry : at + 1) {
      byte[] bad = all.clone();
      bad[at] ^= 0x10;
      Files.write(model.resolve("model.safetensors"), bad);
      // A flip in a name leaves a valid header: info compares the names with the config's.
      Run r = Run.of("info", model);
      assertThat(r.code()).as("byte " + at + ": " + r.err()).isEqualTo(ExitCode.BAD_INPUT);
    }
  }

  @Test
  void wrongShapesAndUnknownTypes() throws IOException {
    edit("config.json", "\"num_hidden_layers\" : 4", "\"num_hidden_layers\" : 5");
    assertThat(refused("generate", model, "the")).contains("model.layers.4");
    assertThat(refused("info", model)).contains("model.layers.4");
    edit("config.json", "\"num_hidden_layers\" : 5", "\"num_hidden_layers\" : 4");
    edit("config.json", "\"intermediate_size\" : 48", "\"intermediate_size\" : 64");
    assertThat(refused("generate", model, "the")).contains("mlp.gate_proj.weight", "64");
    edit("config.json", "\"model_type\" : \"qwen3\"", "\"model_type\" : \"llama\"");
    assertThat(refused("info", model)).contains("model_type", "llama", "qwen3");
  }

  private static final String STUDY =
      """
      {"name": "s", "teacher": "%s", "seeds": [0], "probe": {"length": 64}, "arms": ["arm.json"],
       "rounds": [{"arms": ["plain"]}]}
      """;

  @Test
  void qwen35HasNoHeadsToChoose() throws IOException {
    edit("config.json", "\"model_type\" : \"qwen3\"", "\"model_type\" : \"qwen3_5_text\"");
    edit(
        "config.json",
        "\"hidden_act\"",
        "\"linear_num_key_heads\" : 2, \"linear_num_value_heads\" : 2,"
            + " \"linear_key_head_dim\" : 8, \"linear_value_head_dim\" : 8,"
            + " \"linear_conv_kernel_dim\" : 4, \"hidden_act\"");
    Path file = out.resolve("file");
    List<List<Object>> all =
        List.of(
            List.of("probe", model, "-o", file),
            List.of("plan", model, "--ratio", "7:1"),
            List.of("convert", model, "--plan", out.resolve("plan"), "-o", file),
            List.of("transfer", model, Run.tiny(), "--recipe", file, "-o", out.resolve("h")),
            List.of("transfer", Run.tiny(), model, "--recipe", file, "-o", out.resolve("h")));
    Files.delete(model.resolve("tokenizer.json")); // what cannot be comes before what is missing
    for (List<Object> command : all) {
      assertThat(refused(command.toArray()))
          .as("%s", command)
          .contains(model + " is a Qwen3.5", "give a Transformer", "generate", "eval and serve");
    }
    Recipes.write(
        temporary.resolve("arm.json"),
        "{\"name\": \"plain\", \"arm\": {\"label\": \"T\", \"group\": \"control\", \"teacher\": true}}");
    Path study = Recipes.write(temporary.resolve("study.json"), STUDY.formatted(model));
    assertThat(refused("study", "--recipe", study, "-o", file)).contains(model + " is a Qwen3.5");
    assertThat(refused("bench", "decode", "--shape", "qwen3.5-0.8b", "--plan", "head-7:1"))
        .contains("head-7:1", "its plan is full");
  }

  @Test
  void brokenTokenizer() throws IOException {
    edit("tokenizer.json", "\"BPE\"", "\"Unigram\"");
    assertThat(refused("tokenize", model, "the")).contains("tokenizer.json", "Unigram");
    Files.delete(model.resolve("tokenizer.json"));
    assertThat(refused("tokenize", model, "the")).contains("tokenizer.json");
  }

  @Test
  void tokenIdsOutOfRange() throws IOException {
    Path ids = temporary.resolve("ids.json");
    Path result = out.resolve("logits.safetensors");
    for (String bad :
        List.of(
            "[1, 9999]",
            "[-1]",
            "[1.5]",
            "[[1, 2], [3]]",
            "[]",
            "[[]]",
            "{\"x\": 1}",
            "{\"ids\": [1], \"input_ids\": [1]}",
            "[1,",
            "[1,-1")) {
      Files.writeString(ids, bad);
      assertThat(refused("logits", model, "--ids", ids, "-o", result))
          .as(bad)
          .contains("ids.json")
          .doesNotContain("REDACTED", "Source:");
    }
    Files.writeString(ids, "[1, 9999]");
    assertThat(refused("logits", model, "--ids", ids, "-o", result)).contains("9999", "vocabulary");
    assertThat(refused("tokenize", model, "--decode", "1 99999")).contains("99999");
  }

  @Test
  void emptyPrompt() {
    InputStream before = System.in;
    try {
      System.setIn(new ByteArrayInputStream(new byte[0]));
      assertThat(refused("generate", model)).contains("prompt is empty");
      assertThat(refused("generate", model, "")).contains("prompt is empty");
      System.setIn(new ByteArrayInputStream(new byte[] {(byte) 0xC3, 0x28}));
      assertThat(refused("generate", model)).contains("stdin", "UTF-8");
    } finally {
      System.setIn(before);
    }
  }

  @Test
  void senselessSampling() {
    assertThat(refused("generate", model, "the", "--temperature", "-1")).contains("temperature");
    assertThat(refused("generate", model, "the", "--top-p", "1.5")).contains("top-p");
    assertThat(refused("generate", model, "the", "-n", "0")).contains("max-tokens");
  }

  @Test
  void targetsThatExistOrCannotBeWritten() throws IOException {
    Path ids = Files.writeString(temporary.resolve("ids.json"), "[1, 2]");
    Path taken = Files.writeString(out.resolve("taken.safetensors"), "precious");
    assertThat(refused("logits", model, "--ids", ids, "-o", taken)).contains("taken", "--force");
    assertThat(Files.readString(taken)).isEqualTo("precious");
    assertThat(refused("logits", model, "--ids", ids, "-o", out)).contains("folder");
    // A file where a folder should be cannot be written into, whoever runs the test.
    assertThat(refused("logits", model, "--ids", ids, "-o", taken.resolve("x"))).contains("taken");
    assertThat(refused("plan", model, "--ratio", "3:1", "--rule", "fixed", "-o", taken))
        .contains("--force");
  }

  /** Before anything is computed: there is not even a checkpoint. */
  @Test
  void targetsAreLookedAtBeforeTheWork() throws IOException {
    Path file = Files.writeString(out.resolve("file"), "");
    Path target = file.resolve("x");
    Path none = temporary.resolve("none");
    Object[][] commands = {
      {"eval", none, "--json", target},
      {"probe", none, "-o", target},
      {"logits", none, "--ids", none, "-o", target},
      {"bench", "decode", "--json", target},
      {"plan", none, "--ratio", "7:1", "-o", target},
      {"convert", none, "--plan", none, "-o", target},
      {"transfer", none, model, "--recipe", none, "-o", target},
      {"pretrain", "--recipe", none, "-o", target},
      {"report", none, "-o", target},
      {"demo", "-o", target},
    };
    for (Object[] words : commands) {
      assertThat(refused(words))
          .as(words[0].toString())
          .contains("cannot be written: " + file + " is a file; choose another");
    }
    assertThat(refused(commands[0])).contains("another --json");
    for (Object[] words : commands) { // where root has every permission, and still cannot write
      words[words.length - 1] = "/proc/hydrahead-none/x";
      assertThat(refused(words))
          .as(words[0].toString())
          .contains("/proc/hydrahead-none/x: cannot be written: ", "; choose another ");
      words[words.length - 1] = "/dev/null";
      assertThat(Run.of(Stream.concat(Stream.of(words), Stream.of("--force")).toArray()).err())
          .as(words[0].toString())
          .containsAnyOf("is not replaced; choose another -", "is a file, a folder is to be");
    }
  }

  @Test
  void aFolderThatAnotherRunWritesIsNotReplaced() throws IOException {
    Path plan = Recipes.write(temporary.resolve("plan.json"), "{}"); // not read
    Path target = out.resolve("student");
    try (OutputFolder _ = OutputFolder.begin(target, false)) {
      assertThat(refused("convert", model, "--plan", plan, "-o", target, "--force"))
          .contains("student: another run is writing there");
    }
  }

  @Test
  void aStudentOfAnotherTeacherLeavesNothing() {
    Path recipe = Recipes.transfer(temporary);
    assertThat(refused("transfer", model, Run.tiny(), "--recipe", recipe, "-o", out.resolve("h")))
        .contains(
            "student " + Run.tiny() + ": ", "the teacher's is", "converted from this teacher");
  }

  @Test
  void threadsWithoutEnd() {
    int available = Runtime.getRuntime().availableProcessors();
    assertThat(refused("doctor", "--threads", "9999"))
        .contains("--threads 9999 is too much", "allows " + available + " processor");
    Run r = Run.of("doctor", "--threads", 2 * available, "--json");
    assertThat(r.code()).isZero();
    assertThat(r.err()).contains("slower, not faster");
  }

  @Test
  void textFilesThatAreNotThere() {
    Path none = temporary.resolve("none.txt");
    for (String command : List.of("probe", "eval")) {
      Path target = out.resolve("t.json");
      String option = command.equals("probe") ? "-o" : "--json";
      assertThat(refused(command, model, "--text", none, option, target))
          .contains("none.txt: no such file");
    }
  }

  @Test
  void plansThatCannotBe() throws IOException {
    assertThat(refused("plan", model, "--ratio", "seven", "--rule", "fixed")).contains("seven");
    assertThat(refused("plan", model, "--ratio", "7:1")).contains("heads.json");
    assertThat(refused("plan", model, "--ratio", "15:1", "--rule", "random"))
        .contains("--floor", "4 layers");
    Path heads =
        Files.writeString(
            temporary.resolve("heads.json"),
            "{\"layers\": 2, \"heads\": 4, \"scores\": [[1,2,3,4],[1,2,3,4]]}");
    assertThat(refused("plan", model, "--ratio", "3:1", "--heads", heads))
        .contains(heads.toString(), "2 layers × 4 heads", "4 × 4");
    Files.writeString(heads, "{\"layers\": 4, \"heads\": 4, \"score\": []}");
    assertThat(refused("plan", model, "--ratio", "3:1", "--heads", heads))
        .contains("scores is missing", "there is \"score\"");
    Files.writeString(heads, "{\"layers\": 4, \"heads\": 4}");
    assertThat(refused("plan", model, "--ratio", "3:1", "--heads", heads)).contains("scores");
  }

  @Test
  void aHybridIsNotConvertedAgain() {
    Path plan =
        Recipes.write(
            temporary.resolve("plan.json"), "{\"full_attention_heads\": [[0], [1], [2], [3]]}");
    Path hybrid = temporary.resolve("hybrid");
    assertThat(Run.of("convert", model, "--plan", plan, "-o", hybrid).code()).isZero();
    // Before the plan is even read, and so before anything is measured.
    Path none = temporary.resolve("none.json");
    assertThat(refused("convert", hybrid, "--plan", none, "-o", out.resolve("twice")))
        .contains(hybrid.toString(), "4 of 16 heads full", "no plain Transformer");
  }

  @Test
  void goldenFilesOfAnotherKind() {
    Path golden = Run.tiny().resolve("golden.safetensors");
    assertThat(refused("check", "--op", "gated-delta", golden)).contains("gated-delta");
    assertThat(refused("check", "--op", "softmax", golden)).contains("gated-delta");
    assertThat(refused("check", golden)).contains("checkpoint");
    assertThat(refused("check", model, model.resolve("model.safetensors")))
        .contains("model.safetensors: has no input_ids");
    assertThat(refused("check", model, golden, "--tolerance", "-1")).contains("tolerance");
    assertThat(refused("check", Run.tiny(), model.resolve("config.json")))
        .contains("config.json", "this is JSON");
  }

  /** A golden file is of the model that made it; the message names the tensor that does not fit. */
  @Test
  void goldenFilesOfAnotherModel() {
    Run r = Run.of("check", model, Run.tiny().resolve("golden.safetensors"));
    assertThat(r.code()).as(r.err()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err()).contains("hidden_states", "another model");
  }

  @Test
  void plansForAnotherShape() throws IOException {
    Path plan = temporary.resolve("plan.json");
    Path target = out.resolve("student");
    Recipes.write(plan, "{\"full_attention_heads\": [[0], [1]]}");
    assertThat(refused("convert", model, "--plan", plan, "-o", target))
        .contains("2 layers", "has 4");
    Recipes.write(plan, "{\"full_attention_heads\": [[0], [1], [9], [0]]}");
    assertThat(refused("convert", model, "--plan", plan, "-o", target))
        .contains("plan.json", "layer 2", "9");
    Recipes.write(plan, "{\"heads\": [[0]]}");
    assertThat(refused("convert", model, "--plan", plan, "-o", target))
        .contains("full_attention_heads");
    assertThat(refused("convert", model, "--plan", out.resolve("no.json"), "-o", target))
        .contains("no.json");
    Recipes.write(plan, "{\"full_attention_head\": [[0]]}");
    assertThat(refused("convert", model, "--plan", plan, "-o", target))
        .contains("there is \"full_attention_head\"");
    Recipes.write(plan, "{\"full_attention_heads\": [[0], [1], [2], [3]]}");
    assertThat(refused("convert", model, "--plan", plan, "-o", model, "--force"))
        .contains("would be overwritten");
    Path there = Files.createDirectory(out.resolve("there"));
    Files.createFile(there.resolve("something"));
    assertThat(refused("convert", model, "--plan", plan, "-o", there)).contains("--force");
  }

  @Test
  void brokenRecipes() throws IOException {
    Path recipe = Recipes.pretrain(temporary, 1);
    Path target = out.resolve("trained");
    String good = Files.readString(recipe);
    String[][] broken = {
      {"\"hidden_size\": 32", "\"hidden_size\": \"wide\"", "model.hidden_size"},
      {"\"rows\": 4}", "\"rows\": 4, \"colour\": 1}", "colour"},
      {"\"context\": 64", "\"context\": 4096", "context"},
      {"\"constant\"", "\"triangle\"", "schedule.kind"},
      {"\"vocab_size\": 320", "\"vocab_size\": 3", "tokenizer.vocab_size"},
      {"{\"generated\": true}", "{\"files\": \"nothing/*.txt\"}", "nothing/*.txt"},
      {"\"name\": \"mini\",", "", "name"},
      {"\"name\": \"mini\",", "\"nmae\": \"mini\",", "there is \"nmae\""},
      {"{\n", "{{\n", "pretrain.json"},
    };
    for (String[] b : broken) {
      assertThat(good).contains(b[0]);
      Recipes.write(recipe, good.replace(b[0], b[1]));
      assertThat(refused("pretrain", "--recipe", recipe, "-o", target)).as(b[1]).contains(b[2]);
    }
    Recipes.write(recipe, good);
    assertThat(refused("pretrain", "--recipe", recipe, "-o", target, "--resume"))
        .contains("resume");
    assertThat(refused("pretrain", "--recipe", recipe, "-o", target, "--seed", "2"))
        .contains("--seed");
    assertThat(refused("pretrain", "--recipe", recipe, "-o", model)).contains("--force");
    Files.createFile(out.resolve("trained.run"));
    assertThat(refused("pretrain", "--recipe", recipe, "-o", target))
        .contains("trained.run: is a file", "choose another -o");
    Files.delete(out.resolve("trained.run"));
    Path transfer = Recipes.transfer(temporary);
    assertThat(refused("transfer", model, model, "--recipe", transfer, "-o", target))
        .contains("same folder");
    Recipes.write(
        transfer, Files.readString(transfer).replace("\"distil\", \"tok", "\"teach\", \"tok"));
    assertThat(refused("transfer", model, Run.tiny(), "--recipe", transfer, "-o", target))
        .contains("objective");
  }

  @Test
  void corpusWithoutText() {
    Path empty = Recipes.write(temporary.resolve("empty.txt"), "");
    Path plan =
        Recipes.write(
            temporary.resolve("plan.json"), "{\"full_attention_heads\": [[0], [1], [2], [3]]}");
    assertThat(refused("convert", model, "--plan", plan, "--text", empty, "-o", out.resolve("s")))
        .contains("empty.txt");
    assertThat(refused("eval", model, "--tasks", "perplexity", "--text", empty))
        .contains("empty.txt");
  }

  @Test
  void senselessEvaluations() {
    assertThat(refused("eval", model, "--tasks", "chess")).contains("chess", "niah");
    assertThat(refused("eval", model, "--lengths", "4Q")).contains("4Q");
    assertThat(refused("eval", model, "--samples", "0")).contains("samples");
    assertThat(refused("eval", model, "--digits", "40")).contains("--digits");
    assertThat(refused("eval", model, "--name", " ")).contains("--name is empty");
    assertThat(refused("probe", model, "-o", out.resolve("x"), "--threshold", "-1"))
        .contains("--threshold must be at least 0");
  }

  @Test
  void numbersAndPathsThatAreNone() {
    assertThat(refused("eval", model, "--samples", "1.5"))
        .contains("'--samples'", "'1.5' is not a whole number");
    assertThat(refused("eval", model, "--samples", "3000000000"))
        .contains("'3000000000' is too large: 2147483647 is the most");
    assertThat(refused("eval", model, "--seed", "-99999999999999999999")).contains("is too small");
    assertThat(refused("check", model, model, "--tolerance", "NaN"))
        .contains("'--tolerance'", "'NaN' is not a number such as");
    assertThat(refused("info", "")).contains("CHECKPOINT", "the path is empty");
    assertThat(refused("eval", model, "--json", "")).contains("'--json'", "the path is empty");
    assertThat(refused("probe", model, "-o", "-")).contains("-o -: ", "not to stdout");
    assertThat(refused("tokenize", model, "--decode", "x")).contains("--decode: 'x'", "numbers");
  }

  @Test
  void foldersAndFilesInEachOthersPlace() {
    assertThat(refused("info", out)).contains("out: no checkpoint, it has no config.json");
    assertThat(refused("info", model.resolve("config.json"))).contains("a file, expected");
    assertThat(refused("plan", model, "--ratio", "3:1", "--heads", out))
        .contains("out: a folder, expected a JSON file");
    assertThat(refused("pretrain", "--recipe", out, "-o", out.resolve("x")))
        .contains("out: a folder, expected a JSON file");
  }

  /** Noticed before a text of that length is made. */
  @Test
  void contextsThatNoMachineHolds() {
    assertThat(refused("eval", model, "--lengths", "128M", "--device", "cpu", "-q"))
        .contains("--lengths: ", "134,217,728 tokens take", "give less than");
    assertThat(refused("eval", model, "--lengths", "256M")).contains("\"256M\"", "16 to 128M");
    Object[] generate = {"generate", model, "the", "-n", "500M", "--device", "cpu", "-q"};
    assertThat(refused(generate)).contains("--max-tokens: ", "give less than");
    Path heads = out.resolve("heads.json");
    assertThat(refused("probe", model, "--length", "500M", "-o", heads, "--device", "cpu", "-q"))
        .contains("--length: ", "give less than");
    assertThat(refused("probe", model, "--length", "8", "-o", heads, "-q"))
        .contains("--length", "or more");
  }

  @Test
  void benchesOfNothing() {
    assertThat(refused("bench", "train", "--batch", "0")).contains("--batch must be at least 1");
    assertThat(refused("bench", "train", "--batch", "4", "--micro-rows", "8"))
        .contains("--micro-rows must be between 1 and 4, not 8");
    assertThat(refused("bench", "decode", "--seconds", "0")).contains("--seconds must be above 0");
    assertThat(refused("bench", "ops", "--shape", "none")).contains("none", "qwen3-0.6b");
  }

  @Test
  void aHybridTeachesNobody() {
    Path hybrid = Run.home().resolve("models/tiny-hybrid");
    Path teacher = hybrid.resolveSibling("tiny-teacher");
    Path recipe = Recipes.transfer(temporary);
    assertThat(refused("transfer", hybrid, teacher, "--recipe", recipe, "-o", out.resolve("h")))
        .contains(hybrid + " has 4 of 32 heads full", "give the Transformer that it came from");
  }

  @Test
  void evaluationsOfWhichNothingFits() throws IOException {
    Path results = out.resolve("results.json");
    Object[] words = {"eval", model, "--tasks", "mqar", "--lengths", "16,24", "--json", results};
    assertThat(refused(words))
        .contains("nothing was measured", "mqar at 16: mqar needs at least", "--lengths")
        .doesNotContain("\\u");
    Files.writeString(results, "{}");
    assertThat(refused(words)).contains("choose another --json or pass --force");
  }

  @Test
  void reportsOfNothing() {
    Path page = out.resolve("report.html");
    assertThat(refused("report", "-o", page)).contains("FILE");
    assertThat(refused("report", model.resolve("config.json"), "-o", page)).contains("config.json");
    assertThat(refused("report", out.resolve("no.json"), "-o", page)).contains("no.json");
  }

  @Test
  void aModelThatCannotRetrieveCannotBeProbed() {
    assertThat(
            refused(
                "probe",
                model,
                "-o",
                out.resolve("heads.json"),
                "--length",
                "256",
                "--pairs",
                "1",
                "--style",
                "short",
                "--quiet"))
        .contains("probe", "answers");
  }
}
