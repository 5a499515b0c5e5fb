package io.hydrahead.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

class TokenizerTest {
  private static final Path SHARED = Path.of("../../shared");
  private static final Tokenizer SAMPLE = Tokenizer.parse(SampleTokenizer.json(), "sample");

  private static int[] ids(JsonNode list) {
    return IntStream.range(0, list.size()).map(i -> list.get(i).intValue()).toArray();
  }

  @Test
  void goldenFileOfTheTeacher() {
    assumeTrue(Files.isDirectory(SHARED.resolve("teacher-24m")), "teacher-24m is not here");
    Tokenizer t = Tokenizer.load(SHARED.resolve("teacher-24m"));
    assertThat(t.vocabSize()).isEqualTo(8192);
    assertThat(t.id("<|im_end|>")).isEqualTo(2);
    JsonNode golden = Json.read(SHARED.resolve("reference/teacher-24m/golden.json"));
    assertThat(golden.path("tokenizer").size()).isGreaterThan(5);
    for (JsonNode c : golden.path("tokenizer")) {
      int[] ids = ids(c.path("ids"));
      assertThat(t.encode(c.path("text").stringValue())).isEqualTo(ids);
      assertThat(t.decode(ids)).isEqualTo(c.path("decoded").stringValue());
    }
    for (JsonNode p : golden.path("prompts")) {
      assertThat(t.encode(p.path("text").stringValue())).isEqualTo(ids(p.path("ids")));
      assertThat(t.decode(ids(p.path("greedy_ids"))))
          .isEqualTo(p.path("greedy_text").stringValue());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        ScannerSplitter.QWEN,
        ScannerSplitter.CL100K,
        ScannerSplitter.QWEN_MARKS,
        ScannerSplitter.GPT2
      })
  void scannersEqualTheirPatterns(String pattern) {
    Splitter scanner = ScannerSplitter.of(pattern).orElseThrow();
    Splitter regex = RegexSplitter.of(pattern, "test");
    Random random = new Random(11);
    for (int i = 0; i < 20_000; i++) {
      String text = SampleTokenizer.randomText(random).replaceAll("[\\ud800-\\udfff]", "x");
      char[] chars = ("a " + text + " b").toCharArray();
      assertThat(pieces(scanner, chars, 2, chars.length - 2))
          .isEqualTo(pieces(regex, chars, 2, chars.length - 2));
    }
  }

  private static List<String> pieces(Splitter s, char[] text, int from, int to) {
    List<String> out = new ArrayList<>();
    s.split(text, from, to, (t, a, b) -> out.add(new String(t, a, b - a)));
    return out;
  }

  @Test
  void decodingGivesTheTextBack() {
    Random random = new Random(12);
    for (int i = 0; i < 2000; i++) {
      String text = SampleTokenizer.randomText(random);
      String nfc = Normalizer.normalize(wellFormed(text), Normalizer.Form.NFC);
      // Special tokens cut the text before it is normalised, so composition stops there.
      if (!text.contains("<|im_end|>")) {
        assertThat(SAMPLE.decode(SAMPLE.encode(text))).isEqualTo(nfc);
      }
      assertThat(SAMPLE.decode(SAMPLE.encode(text, false))).isEqualTo(nfc);
    }
  }

  private static String wellFormed(String s) {
    char[] c = s.toCharArray();
    for (int i = 0; i < c.length; i++) {
      if (Character.isSurrogate(c[i])) {
        if (i + 1 < c.length && Character.isSurrogatePair(c[i], c[i + 1])) {
          i++;
        } else {
          c[i] = '\uFFFD';
        }
      }
    }
    return new String(c);
  }

  @Test
  void specialTokensAreTextWhenNotParsed() {
    String text = "a<|im_end|>b";
    assertThat(SAMPLE.encode(text)).contains(SAMPLE.id("<|im_end|>"));
    assertThat(SAMPLE.encode(text, false)).doesNotContain(SAMPLE.id("<|im_end|>"));
    assertThat(SAMPLE.decode(SAMPLE.encode(text, false))).isEqualTo(text);
  }

  @Test
  void longWordsMergeLikeShortOnes() {
    Random random = new Random(13);
    for (int n : new int[] {60, 63, 64, 65, 66, 100, 1000}) {
      for (int trial = 0; trial < 50; trial++) {
        StringBuilder word = new StringBuilder();
        for (int i = 0; i < n; i++) {
          word.append("etaohnris".charAt(random.nextInt(1 + random.nextInt(9))));
        }
        assertThat(SAMPLE.encode(word.toString())).isEqualTo(naive(word.toString()));
      }
    }
  }

  /** Merges by scanning for the first merge in the file's order that applies anywhere. */
  private static int[] naive(String word) {
    List<String> parts = new ArrayList<>();
    word.chars().forEach(c -> parts.add("" + (char) c));
    JsonNode merges = Json.parse(SampleTokenizer.json(), "sample").path("model").path("merges");
    for (JsonNode m : merges) {
      String left = m.get(0).stringValue();
      String right = m.get(1).stringValue();
      for (int i = 0; i + 1 < parts.size(); i++) {
        if (parts.get(i).equals(left) && parts.get(i + 1).equals(right)) {
          parts.set(i, left + right);
          parts.remove(i + 1);
        }
      }
    }
    return parts.stream().mapToInt(SAMPLE::id).toArray();
  }

  @Test
  void hugeWordIsFast() {
    String text = "a".repeat(200_000) + " ".repeat(200_000);
    long start = System.nanoTime();
    assertThat(SAMPLE.decode(SAMPLE.encode(text))).isEqualTo(text);
    assertThat(System.nanoTime() - start).isLessThan(5_000_000_000L);
  }

  @Test
  void cacheSurvivesMoreWordsThanItHolds() {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 80_000; i++) {
      text.append(' ').append(Integer.toString(i, 26).replaceAll("[0-9]", "z"));
    }
    String s = text.toString();
    assertThat(SAMPLE.decode(SAMPLE.encode(s))).isEqualTo(s);
    assertThat(SAMPLE.encode(s)).isEqualTo(SAMPLE.encode(s));
  }

  @Test
  void streamsSplitCharacters() {
    int[] ids = SAMPLE.encode("\ud83e\udd80");
    assertThat(ids).hasSizeGreaterThan(1);
    StreamingDecoder d = SAMPLE.streamingDecoder();
    for (int i = 0; i < ids.length - 1; i++) {
      assertThat(d.push(ids[i])).isEmpty();
    }
    assertThat(d.push(ids[ids.length - 1])).isEqualTo("\ud83e\udd80");
    assertThat(d.finish()).isEmpty();
    d.push(ids[0]);
    assertThat(d.finish()).isEqualTo("\uFFFD");
    assertThat(d.push(SAMPLE.id("a"))).isEqualTo("a");
    assertThat(SAMPLE.decode(new int[] {SAMPLE.vocabSize(), -1})).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "\"type\" : \"BPE\" ~ \"type\" : \"Unigram\" ~ 'Unigram'",
        "\"dropout\" : null ~ \"dropout\" : 0.1 ~ model.dropout",
        "\"byte_fallback\" : false ~ \"byte_fallback\" : true ~ model.byte_fallback",
        "\"ignore_merges\" : false ~ \"ignore_merges\" : 3 ~ model.ignore_merges",
        "\"end_of_word_suffix\" : null ~ \"end_of_word_suffix\" : \"</w>\" ~ end_of_word_suffix",
        "\"type\" : \"NFC\" ~ \"type\" : \"Lowercase\" ~ normalizer 'Lowercase'",
        "\"Isolated\" ~ \"Removed\" ~ behavior",
        "\"invert\" : false ~ \"invert\" : true ~ invert",
        "\"!\" : 3, ~ ~ lacks the token of byte 33",
        "\"!\" : 3, ~ \"!\" : 4, ~ have id 4",
        "\"!\" : 3, ~ \"!\" : -1, ~ model.vocab '!'",
        "\"!\" : 3, ~ \"!\" : 3, \"!\": 3, ~ uplicate",
        "\"id\" : 1, ~ \"id\" : 2, ~ gives '<|im_start|>' the id 2",
        "\"content\" : \"<|im_end|>\", ~ ~ content is missing",
        "\"add_prefix_space\" : false, ~ \"add_prefix_space\" : true, ~ add_prefix_space",
        "\"Regex\" : \" ~ \"Regex\" : \"[ ~ pattern is not supported",
        "\"Regex\" : \" ~ \"Regex\" : \"\\\\b| ~ differs between",
        "\"Regex\" : \" ~ \"Regex\" : \"^a| ~ differs between",
        "\"Regex\" : ~ \"Regexp\" : ~ should be a Regex or a String",
        "\"merges\" : [ ~ \"merges\" : [ \"a b c\", ~ should be a pair",
        "\"merges\" : [ ~ \"merges\" : [ \"q \\u00ff\", ~ needs the token",
      })
  void refusesByName(String part, String replacement, String message) {
    String broken =
        SampleTokenizer.json()
            .replaceFirst(
                Pattern.quote(part),
                Matcher.quoteReplacement(replacement == null ? "" : replacement));
    assertThat(broken).isNotEqualTo(SampleTokenizer.json());
    assertThatThrownBy(() -> Tokenizer.parse(broken, "t.json"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("t.json")
        .hasMessageContaining(message);
  }

  @Test
  void missingFileOrToken() {
    assertThatThrownBy(() -> Tokenizer.load(Path.of("nowhere/tokenizer.json")))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("nowhere");
    assertThatThrownBy(() -> SAMPLE.id("<nope>")).isInstanceOf(InputException.class);
    assertThat(SAMPLE.has("<nope>")).isFalse();
    for (String json : List.of("{}", "[]", "{\"model\": {}}", "{\"model\": {\"vocab\": {}}}")) {
      assertThatThrownBy(() -> Tokenizer.parse(json, "x")).isInstanceOf(InputException.class);
    }
  }

  /** Random damage: the file is read, or refused in one line; nothing else. */
  @Test
  void damagedFile() {
    String good =
        BpeTrainer.train(List.of("ab ab"), 262, BpeTrainer.CHATML_TOKENS)
            .tokenizerJson()
            .replaceAll("\\s*\n\\s*", " ");
    String other = "0123456789-.eE\"[]{},:truefalsn\\\\?*+(|)";
    Random random = new Random(6);
    int refused = 0;
    for (int i = 0; i < 3000; i++) {
      StringBuilder bad = new StringBuilder(good);
      int at = random.nextInt(i % 2 == 0 ? bad.length() : 1500); // the options are at the start
      bad.setCharAt(at, other.charAt(random.nextInt(other.length())));
      try {
        Tokenizer.parse(bad.toString(), "t").encode("ab 'S <|im_end|>\u00a0\n 12");
      } catch (InputException e) {
        refused++;
        assertThat(e.getMessage()).hasLineCount(1);
      }
    }
    assertThat(refused).isBetween(500, 2999);
  }
}
