package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import io.hydrahead.tokenizer.Tokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** tokenize, generate and chat. */
class TextCommandsTest {
  @TempDir static Path temporary;
  private static Path model;
  private static final InputStream STDIN = System.in;

  @BeforeAll
  static void writeModel() {
    model = SmallModel.write(temporary.resolve("model"));
  }

  @AfterEach
  void ownStdin() {
    System.setIn(STDIN);
  }

  private static void stdin(String text) {
    System.setIn(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
  }

  @Test
  void tokenizeThereAndBack() {
    String text = "the quick 🦊 fox,\n\tnaïve <|im_end|>";
    Run ids = Run.of("tokenize", model, text);
    assertThat(ids.code()).as(ids.err()).isZero();
    assertThat(ids.out().strip()).matches("\\d+( \\d+)* 2");
    Run back = Run.of("tokenize", model, "--decode", ids.out().strip());
    assertThat(back.out()).isEqualTo(text + System.lineSeparator());
    assertThat(Run.of("tokenize", model, "--plain", text).out().strip()).doesNotEndWith(" 2");
  }

  @Test
  void tokenizeReadsFilesAndStdin() throws IOException {
    Path file = Files.writeString(temporary.resolve("a.txt"), "the lazy dog");
    String want = Run.of("tokenize", model, "the lazy dog").out();
    assertThat(Run.of("tokenize", model, "--file", file).out()).isEqualTo(want);
    stdin("the lazy dog");
    assertThat(Run.of("tokenize", model).out()).isEqualTo(want);
    JsonNode o = Json.parse(Run.of("tokenize", model, "--json", "the lazy dog").out(), "stdout");
    assertThat(o.path("schema").stringValue()).isEqualTo("hydrahead.tokenize");
    assertThat(o.path("text").stringValue()).isEqualTo("the lazy dog");
    assertThat(o.path("ids").size()).isEqualTo(want.strip().split(" ").length);
    assertThat(o.path("tokens").get(0).stringValue()).isEqualTo("the");
  }

  /** A full disk, or a reader that has seen enough: no further token is made. */
  @Test
  void whatNobodyTakesIsNotMade() {
    OutputStream full =
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            throw new IOException("No space left on device");
          }
        };
    Object[] generate = {"generate", model, "the quick", "-n", "200", "--seed", "1"};
    assertThat(Run.of(generate).err()).contains("reply 200 tokens");
    assertThat(speeds(full, generate)).containsPattern("reply \\d tokens? .* unread");
    stdin("hello\nand more\n");
    assertThat(speeds(full, "chat", model, "-n", "200")).doesNotContain("internal");
  }

  private static String speeds(OutputStream out, Object... args) {
    StringWriter err = new StringWriter();
    String[] words = Arrays.stream(args).map(Object::toString).toArray(String[]::new);
    Terminal terminal = new Terminal(new PrintWriter(out), new PrintWriter(err), 0, false);
    assertThat(HydraHead.run(terminal, words)).isZero(); // Main tells of lost data
    return err.toString();
  }

  @Test
  void generateStreamsTheSameTextThatJsonHolds() {
    Run text = Run.of("generate", model, "the quick", "-n", "12");
    assertThat(text.code()).as(text.err()).isZero();
    assertThat(text.err()).contains("prompt 2 tokens");
    Run json = Run.of("generate", model, "the quick", "-n", "12", "--json", "--quiet");
    assertThat(json.err()).isEmpty();
    JsonNode o = Json.parse(json.out(), "stdout");
    assertThat(o.path("text").stringValue() + System.lineSeparator()).isEqualTo(text.out());
    assertThat(o.path("ids").size()).isBetween(1, 12);
    int[] ids = new int[o.path("ids").size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = o.path("ids").get(i).intValue();
    }
    assertThat(Tokenizer.load(model).decode(ids)).isEqualTo(o.path("text").stringValue());
  }

  @Test
  void samplingRepeatsWithItsSeedAndChangesWithAnother() {
    Object[] base = {"generate", model, "the", "-n", "16", "--temperature", "2", "--seed"};
    String one = Run.of(with(base, "1")).out();
    assertThat(Run.of(with(base, "1")).out()).isEqualTo(one);
    assertThat(Run.of(with(base, "2")).out()).isNotEqualTo(one);
  }

  private static Object[] with(Object[] base, Object more) {
    Object[] all = java.util.Arrays.copyOf(base, base.length + 1);
    all[base.length] = more;
    return all;
  }

  @Test
  void chatAnswersEveryLineAndPrintsRepliesOnly() {
    stdin("the fox\n\n/reset\nthe dog\n/exit\nnever read\n");
    Run r = Run.of("chat", model, "-n", "6", "--temperature", "1", "--system", "over", "--quiet");
    assertThat(r.code()).as(r.err()).isZero();
    assertThat(r.err()).isEmpty();
    assertThat(r.out()).isNotBlank().doesNotContain("<|im_start|>", "> ");
  }

  @Test
  void chatSaysWhenTheContextIsUsedUp() {
    stdin("the quick brown fox\nthe quick brown fox\nthe quick brown fox\n");
    Run r = Run.of("chat", model, "-n", "8", "--max-context", "40");
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err()).contains("40 tokens are used up", "--max-context");
  }

  @Test
  void chatForgetsOnReset() {
    String line = "the quick brown fox\n";
    stdin(line);
    Run once = Run.of("chat", model, "-n", "5", "--quiet");
    assertThat(once.out()).isNotEmpty();
    stdin(line + "/reset\n" + line);
    Run twice = Run.of("chat", model, "-n", "5", "--quiet");
    assertThat(twice.out()).isEqualTo(once.out() + once.out());
    stdin(line + line);
    Run going = Run.of("chat", model, "-n", "5", "--quiet");
    assertThat(going.code()).as(going.err()).isZero();
    assertThat(going.out()).startsWith(once.out());
  }

  @Test
  void chatUsesTheCheckpointsOwnTemplate() throws IOException {
    Path own = SmallModel.write(temporary.resolve("own"));
    Path template = own.resolve("chat_template.jinja");
    Files.writeString(template, "{{ messages|length }} {{ mood }} {% if x %}");
    Run broken = Run.of("chat", own);
    assertThat(broken.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(broken.err()).contains("chat_template.jinja, line 1", "'endif' is missing");
    Files.writeString(template, "{{ raise_exception('I am ' ~ mood) }}");
    stdin("the fox\n");
    Run raised = Run.of("chat", own, "--template-kwargs", "{\"mood\": \"silent\"}");
    assertThat(raised.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(raised.err()).contains("I am silent");
    Run wrong = Run.of("chat", own, "--template-kwargs", "[1]");
    assertThat(wrong.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(wrong.err()).contains("--template-kwargs", "enable_thinking");
  }
}
