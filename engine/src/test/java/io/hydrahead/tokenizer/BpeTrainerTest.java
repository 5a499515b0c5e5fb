package io.hydrahead.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.InputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

class BpeTrainerTest {
  private static final Path TEACHER = Path.of("../../shared/teacher-24m");

  @Test
  void learnsTheMostFrequentPairsFirst() {
    TokenizerFiles f =
        BpeTrainer.train(List.of("low low low lower lowest", "newer newer wider"), 270, List.of());
    JsonNode merges = Json.parse(f.tokenizerJson(), "t").path("model").path("merges");
    assertThat(merges.get(0).toString()).isEqualTo("[\"l\",\"o\"]");
    assertThat(merges.get(1).toString()).isEqualTo("[\"lo\",\"w\"]");
    Tokenizer t = f.tokenizer();
    assertThat(t.encode("low")).hasSize(1);
    assertThat(t.encode("newer")).hasSizeLessThan(5);
    assertThat(t.decode(t.encode("low newest"))).isEqualTo("low newest");
  }

  /** Recounts everything before every merge. */
  @Test
  void equalsTheNaiveAlgorithm() {
    List<String> corpus = SampleTokenizer.corpus().subList(0, 40);
    TokenizerFiles f = BpeTrainer.train(corpus, 420, BpeTrainer.CHATML_TOKENS);
    JsonNode json = Json.parse(f.tokenizerJson(), "t").path("model");
    Map<String, Integer> ids = new TreeMap<>();
    json.path("vocab").properties().forEach(e -> ids.put(e.getKey(), e.getValue().intValue()));
    List<List<String>> words = pieces(corpus);
    for (JsonNode merge : json.path("merges")) {
      Map<List<String>, Integer> counts = new HashMap<>();
      for (List<String> w : words) {
        for (int i = 0; i + 1 < w.size(); i++) {
          counts.merge(List.of(w.get(i), w.get(i + 1)), 1, Integer::sum);
        }
      }
      List<String> pair = List.of(merge.get(0).stringValue(), merge.get(1).stringValue());
      int best = counts.values().stream().mapToInt(i -> i).max().orElseThrow();
      List<String> expected =
          counts.entrySet().stream()
              .filter(e -> e.getValue() == best)
              .map(Map.Entry::getKey)
              .min(
                  Comparator.<List<String>>comparingInt(p -> ids.get(p.get(0)))
                      .thenComparingInt(p -> ids.get(p.get(1))))
              .orElseThrow();
      assertThat(pair).isEqualTo(expected);
      for (List<String> w : words) {
        for (int i = 0; i + 1 < w.size(); i++) {
          if (w.get(i).equals(pair.get(0)) && w.get(i + 1).equals(pair.get(1))) {
            w.set(i, pair.get(0) + pair.get(1));
            w.remove(i + 1);
          }
        }
      }
    }
    assertThat(f.vocabSize()).isEqualTo(420);
  }

  private static List<List<String>> pieces(List<String> corpus) {
    Splitter splitter = ScannerSplitter.of(ScannerSplitter.QWEN).orElseThrow();
    List<List<String>> words = new ArrayList<>();
    for (String text : corpus) {
      for (String part : text.split("<\\|im_start\\|>|<\\|im_end\\|>|<\\|endoftext\\|>")) {
        String nfc =
            Normalizer.normalize(
                new String(part.getBytes(StandardCharsets.UTF_16BE), StandardCharsets.UTF_16BE),
                Normalizer.Form.NFC);
        splitter.split(
            nfc.toCharArray(),
            0,
            nfc.length(),
            (t, a, b) -> {
              List<String> word = new ArrayList<>();
              for (byte x : new String(t, a, b - a).getBytes(StandardCharsets.UTF_8)) {
                word.add("" + ByteAlphabet.charOf(x & 0xFF));
              }
              words.add(word);
            });
      }
    }
    return words;
  }

  @Test
  void deterministicAndDigitsStaySingle() {
    String json = SampleTokenizer.json();
    assertThat(
            BpeTrainer.train(SampleTokenizer.corpus(), 600, BpeTrainer.CHATML_TOKENS)
                .tokenizerJson())
        .isEqualTo(json);
    Tokenizer t = Tokenizer.parse(json, "t");
    assertThat(t.encode("4829137")).hasSize(7);
    assertThat(t.id("<|endoftext|>")).isZero();
    assertThat(t.id("<|im_end|>")).isEqualTo(2);
    assertThat(t.vocabSize()).isEqualTo(600);
  }

  @Test
  void sameStructureAsTheTeachers() {
    assumeTrue(Files.isDirectory(TEACHER), "teacher-24m is not here");
    ObjectNode ours = (ObjectNode) Json.parse(SampleTokenizer.json(), "t");
    ObjectNode theirs = (ObjectNode) Json.read(TEACHER.resolve("tokenizer.json"));
    JsonNode a = ours.path("model").path("vocab");
    JsonNode b = theirs.path("model").path("vocab");
    assertThat(List.copyOf(a.propertyNames()).subList(0, 259))
        .isEqualTo(List.copyOf(b.propertyNames()).subList(0, 259));
    for (ObjectNode n : List.of(ours, theirs)) {
      ((ObjectNode) n.path("model")).remove(List.of("vocab", "merges"));
    }
    assertThat(ours).isEqualTo(theirs);
  }

  @Test
  void savesAllFiles(@TempDir Path dir) throws Exception {
    TokenizerFiles f = BpeTrainer.train(List.of("aa aa"), 300, BpeTrainer.CHATML_TOKENS);
    f.save(dir, 256);
    assertThat(Tokenizer.load(dir).vocabSize()).isEqualTo(f.vocabSize()).isLessThan(300);
    assertThat(Json.read(dir.resolve("tokenizer_config.json")).path("model_max_length").intValue())
        .isEqualTo(256);
    if (Files.isDirectory(TEACHER)) {
      assertThat(dir.resolve("chat_template.jinja"))
          .hasSameBinaryContentAs(TEACHER.resolve("chat_template.jinja"));
    }
  }

  @Test
  void refusesTooSmallOrDoubled() {
    assertThatThrownBy(() -> BpeTrainer.train(List.of(), 258, BpeTrainer.CHATML_TOKENS))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("259");
    assertThatThrownBy(() -> BpeTrainer.train(List.of(), 300, List.of("x", "x")))
        .isInstanceOf(InputException.class);
  }
}
