package io.hydrahead.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The same ids and texts as Hugging Face tokenizers (through DJL) on random Unicode. */
class OracleTest {
  private static final Path TEACHER = Path.of("../../shared/teacher-24m/tokenizer.json");
  private static final long SEED = 20_260_620;

  @TempDir static Path cache;

  @BeforeAll
  static void offline() {
    boolean intelMac =
        System.getProperty("os.name").startsWith("Mac")
            && System.getProperty("os.arch").equals("x86_64");
    assumeTrue(!intelMac, "the oracle has no native library for this platform");
    System.setProperty("RUST_FLAVOR", "cpu");
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("DJL_CACHE_DIR", cache.toString());
  }

  private static HuggingFaceTokenizer oracle(String json) throws IOException {
    return HuggingFaceTokenizer.newInstance(
        new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)),
        Map.of("truncation", "false", "addSpecialTokens", "false", "padding", "false"));
  }

  private static String trained() {
    return SampleTokenizer.json();
  }

  @Test
  void ownTokenizerOnRandomText() throws IOException {
    compare(trained(), 5000);
  }

  @Test
  void teacherOnRandomText() throws IOException {
    assumeTrue(Files.exists(TEACHER), "teacher-24m is not here");
    compare(Files.readString(TEACHER), 5000);
  }

  @ParameterizedTest
  @CsvSource({"CL100K", "QWEN_MARKS", "GPT2", "DIGITS", "OTHER_REGEX", "IGNORE_MERGES", "NO_NFC"})
  void otherSettings(String setting) throws IOException {
    String json = trained();
    String regex = quoted(ScannerSplitter.QWEN);
    json =
        switch (setting) {
          case "CL100K" -> json.replace(regex, quoted(ScannerSplitter.CL100K));
          case "QWEN_MARKS" -> json.replace(regex, quoted(ScannerSplitter.QWEN_MARKS));
          case "GPT2" -> json.replace(regex, quoted(ScannerSplitter.GPT2));
          case "DIGITS" ->
              json.replaceAll(
                  "\"pre_tokenizer\" : \\{(?s:.*?)\"post_processor\"",
                  "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": ["
                      + "{\"type\": \"Digits\", \"individual_digits\": true},"
                      + "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true,"
                      + " \"use_regex\": true}]}, \"post_processor\"");
          case "OTHER_REGEX" ->
              json.replace(
                  regex,
                  quoted("\\d{1,2}|[\\p{Ll}\\p{M}]+(?=\\s)| ?[^\\s\\p{P}]+?(?=\\p{P})|(?i:Sſ)|.a"));
          case "IGNORE_MERGES" ->
              json.replace("\"ignore_merges\" : false", "\"ignore_merges\" : true");
          default -> json.replaceAll("\"normalizer\" : \\{[^}]*}", "\"normalizer\": null");
        };
    assertThat(json).isNotEqualTo(trained());
    compare(json, 1000);
  }

  private static String quoted(String s) {
    return s.replace("\\", "\\\\");
  }

  @Test
  void addedTokenOptions() throws IOException {
    String json = trained();
    int next = Tokenizer.parse(json, "test").vocabSize();
    StringBuilder more = new StringBuilder();
    String[] contents = {"<one>", "<two>", "word", "<|x|>", "caf\u00e9", "<on", "e\u0301t"};
    for (int i = 0; i < contents.length; i++) {
      more.append(
          String.format(
              ", {\"id\": %d, \"content\": \"%s\", \"single_word\": %b, \"lstrip\": %b,"
                  + " \"rstrip\": %b, \"normalized\": %b, \"special\": %b}",
              next + i,
              contents[i],
              i == 2,
              i == 0 || i == 3,
              i == 1 || i == 3,
              i >= 4,
              i % 2 == 0));
    }
    json = json.replaceFirst("(?s)(\"added_tokens\" : \\[.*?})( \\],)", "$1" + more + "$2");
    Tokenizer ours = Tokenizer.parse(json, "test");
    assertThat(ours.vocabSize()).isEqualTo(next + contents.length);
    try (HuggingFaceTokenizer theirs = oracle(json)) {
      Random random = new Random(SEED);
      List<String> bits =
          List.of(
              "<one>",
              "<two>",
              "word",
              "<|x|>",
              "caf\u00e9",
              "cafe\u0301",
              "<on",
              "\u00e9t",
              "e\u0301t",
              " ",
              "  ",
              "\n",
              "a",
              "_",
              "\u0301",
              "\u00a0",
              "s",
              "<|im_end|>",
              "1");
      for (int i = 0; i < 2000; i++) {
        StringBuilder text = new StringBuilder();
        for (int k = random.nextInt(8); k >= 0; k--) {
          text.append(bits.get(random.nextInt(bits.size())));
        }
        same(ours, theirs, text.toString());
      }
    }
  }

  private static void compare(String json, int count) throws IOException {
    Tokenizer ours = Tokenizer.parse(json, "test");
    Random random = new Random(SEED);
    try (HuggingFaceTokenizer theirs = oracle(json)) {
      for (String text : SampleTokenizer.HARD_TEXTS) {
        same(ours, theirs, text);
      }
      for (int i = 0; i < count; i++) {
        same(ours, theirs, SampleTokenizer.randomText(random));
      }
      for (int i = 0; i < count / 2; i++) {
        int[] ids = random.ints(1 + random.nextInt(20), 0, ours.vocabSize()).toArray();
        String expected = theirs.decode(Arrays.stream(ids).asLongStream().toArray(), false);
        assertThat(ours.decode(ids)).as("%s", Arrays.toString(ids)).isEqualTo(expected);
        StreamingDecoder stream = ours.streamingDecoder();
        StringBuilder joined = new StringBuilder();
        IntStream.of(ids).forEach(id -> joined.append(stream.push(id)));
        assertThat(joined.append(stream.finish()).toString()).isEqualTo(expected);
      }
    }
  }

  private static void same(Tokenizer ours, HuggingFaceTokenizer theirs, String text) {
    String clean = new String(text.getBytes(StandardCharsets.UTF_16BE), StandardCharsets.UTF_16BE);
    long[] expected = theirs.encode(clean, false, false).getIds();
    int[] ids = ours.encode(text);
    assertThat(Arrays.stream(ids).asLongStream().toArray())
        .as("seed %d, text %s", SEED, escape(text))
        .isEqualTo(expected);
  }

  private static String escape(String text) {
    StringBuilder out = new StringBuilder();
    text.chars()
        .forEach(
            c -> out.append(c > 0x20 && c < 0x7F ? "" + (char) c : String.format("\\u%04x", c)));
    return out.toString();
  }
}
