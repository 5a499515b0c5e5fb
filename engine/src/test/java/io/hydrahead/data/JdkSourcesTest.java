package io.hydrahead.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.tensor.InputException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JdkSourcesTest {
  @TempDir Path folder;

  private Path archive(String file, Map<String, String> entries, List<String> order)
      throws IOException {
    Path zip = folder.resolve(file);
    try (OutputStream out = Files.newOutputStream(zip);
        ZipOutputStream z = new ZipOutputStream(out)) {
      z.setLevel(file.length() % 10);
      for (String name : order) {
        z.putNextEntry(new ZipEntry(name));
        z.write(entries.get(name).getBytes());
      }
    }
    return zip;
  }

  /** A class whose methods have words of their own. */
  private static String source(String pkg, String name, int seed) {
    StringBuilder s = new StringBuilder("/* Licence. */\npackage " + pkg + ";\n\nimport a.B;\n\n");
    s.append("class ").append(name).append(" {\n");
    for (int i = 0; i < 30; i++) {
      Dice dice = new Dice(seed, i);
      List<String> w = Words.of(Split.TRAIN).invented(4, dice);
      s.append("  void ").append(String.join("Of", w)).append("() {\n    ").append(w.get(2));
      s.append("(").append(w.get(3)).append(");\n  }\n");
    }
    return s.append("}\n").toString();
  }

  private static JdkSources selection(String sha) {
    return new JdkSources(
        List.of("m.one", "m.two"), List.of("m.one/p/Table"), 1 << 20, sha, true, 0.5);
  }

  @Test
  void theContentIsPinnedNotTheArchive() throws IOException {
    Map<String, String> files = new HashMap<>();
    files.put("m.one/p/A.java", source("p", "A", 1));
    files.put("m.one/p/Table.java", "numbers");
    files.put("m.two/q/B.java", source("q", "B", 2));
    files.put("m.three/r/C.java", source("r", "C", 3));
    Path first =
        archive(
            "a.zip",
            files,
            List.of("m.one/p/A.java", "m.one/p/Table.java", "m.two/q/B.java", "m.three/r/C.java"));
    TextCorpus corpus = selection("").open(first);
    assertThat(corpus.documents())
        .extracting(TextCorpus.Document::name)
        .containsExactly("m.one/p/A.java", "m.two/q/B.java");
    String hash = corpus.notices().getFirst().replaceAll(".*sha256 ([0-9a-f]{64}).*", "$1");

    ByteArrayOutputStream packed = new ByteArrayOutputStream();
    assertThat(selection("").pack(first, packed)).isEqualTo(hash);
    Path second = folder.resolve("packed.zip");
    Files.write(second, packed.toByteArray());
    assertThat(selection(hash).open(second).fingerprint()).isEqualTo(corpus.fingerprint());

    files.put("m.two/q/B.java", source("q", "B", 2) + "// changed\n");
    Path other = archive("bb.zip", files, List.of("m.two/q/B.java", "m.one/p/A.java"));
    assertThatThrownBy(() -> selection(hash).open(other))
        .isInstanceOf(InputException.class)
        .hasMessageContaining(hash)
        .hasMessageContaining("sha256");
    Path lacking = archive("c.zip", files, List.of("m.one/p/A.java"));
    assertThatThrownBy(() -> selection("").open(lacking))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("m.two");
  }

  @Test
  void aPackageLiesInOneSplit() throws IOException {
    Map<String, String> files = new HashMap<>();
    List<String> order = new ArrayList<>();
    Map<String, String> packages = new HashMap<>();
    for (int p = 0; p < 60; p++) {
      for (int c = 0; c < 2; c++) {
        String name = "m.one/p" + p + "/C" + c + ".java";
        files.put(name, source("p" + p, "C", 2 * p + c));
        order.add(name);
        files.get(name).lines().filter(l -> l.length() > 24).forEach(l -> packages.put(l, name));
      }
    }
    files.put("m.two/q/B.java", source("q", "B", 1000));
    order.add("m.two/q/B.java");
    TextCorpus corpus = selection("").open(archive("d.zip", files, order));
    assertThat(corpus.documents()).hasSize(121);
    Map<String, Set<Split>> splits = new HashMap<>();
    for (Split s : Split.values()) {
      for (int i = 0; i < 300; i++) {
        for (String line : corpus.excerpt(s, 2000, new Dice(i)).split("\n")) {
          String name = packages.get(line);
          if (name != null) {
            String pkg = name.substring(0, name.lastIndexOf('/'));
            splits.computeIfAbsent(pkg, _ -> new HashSet<>()).add(s);
          }
        }
      }
    }
    assertThat(splits).hasSizeGreaterThan(40);
    assertThat(splits.values()).allMatch(s -> s.size() == 1);
    assertThat(splits.values()).anyMatch(s -> s.contains(Split.TEST));
  }

  @Test
  void nearDuplicatesGo() {
    String bytes = source("p", "ByteThing", 7).replace("void", "byte");
    String ints = source("q", "IntThing", 7).replace("void", "int");
    String other = source("q", "IntThing", 8);
    List<TextCorpus.Document> all =
        List.of(
            new TextCorpus.Document("a", bytes),
            new TextCorpus.Document("b", ints),
            new TextCorpus.Document("c", other));
    assertThat(NearDuplicates.without(all, 0.5))
        .extracting(TextCorpus.Document::name)
        .containsExactly("a", "c");
    assertThat(NearDuplicates.without(all, 1)).hasSize(3);
  }
}
