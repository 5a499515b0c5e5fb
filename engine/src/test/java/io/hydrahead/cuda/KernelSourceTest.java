package io.hydrahead.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Sources and their compilation. NVRTC needs no GPU: where it is installed, every kernel of the
 * engine is compiled here, in each variant that a line {@code // nvrtc: -DNAME=value …} of its
 * source names (without such lines, as float32 and as bf16).
 */
class KernelSourceTest {
  private static final CudaLibraries.Search SEARCH =
      new CudaLibraries(System.getenv()).runtime(CudaLibraries.Kind.NVRTC, 13);

  @Test
  void readsHeadersWhereverTheyAre() {
    KernelSource source = KernelSource.read(KernelSourceTest.class, "test.cu");
    assertThat(source.headers()).containsKeys("common.cuh", "test.cuh");
  }

  @Test
  void saysWhatIsMissing() {
    assertThatThrownBy(() -> KernelSource.read(KernelSourceTest.class, "none.cu"))
        .hasMessageContaining("none.cu");
    assertThatThrownBy(() -> KernelSource.read(KernelSourceTest.class, "lost.cu"))
        .hasMessageContaining("nowhere.cuh");
  }

  @Test
  void theFirstErrorsOfALog() {
    String log = "a.cu(1): warning #1: w\n  x\n\na.cu(7): error: no such thing\n1 error detected\n";
    assertThat(Nvrtc.firstErrors(log)).isEqualTo("a.cu(7): error: no such thing; 1 error detected");
    assertThat(Nvrtc.firstErrors("strange\n")).isEqualTo("strange");
  }

  @Test
  void errorsNameFileAndLine() {
    Nvrtc nvrtc = nvrtc();
    KernelSource bad =
        new KernelSource("bad.cu", "#include \"b.cuh\"\n", Map.of("b.cuh", "\nint f() { gg(); }"));
    assertThatThrownBy(() -> nvrtc.compile(bad, List.of("--gpu-architecture=sm_90a")))
        .isInstanceOf(CudaUnavailableException.class)
        .hasMessageContaining("b.cuh(2): error")
        .hasMessageContaining("sm_90a")
        .hasMessageContaining("--device cpu");
    KernelSource good = new KernelSource("good.cu", "", Map.of());
    assertThatThrownBy(() -> nvrtc.compile(good, List.of("--gpu-architecture=sm_12")))
        .hasMessageContaining("good.cu does not compile");
  }

  static Stream<String> variants() throws IOException {
    Path root = Path.of("src/main/resources");
    try (Stream<Path> files = Files.walk(root)) {
      return files
          .filter(f -> f.toString().endsWith(".cu"))
          .sorted()
          .flatMap(f ->
              lines(f)
                  .flatMap(options ->
                      Stream.of("sm_80", "sm_90a")
                          .map(sm -> root.relativize(f) + " " + sm + " " + options)))
          .toList()
          .stream();
    }
  }

  private static Stream<String> lines(Path source) {
    try {
      List<String> named =
          Files.readAllLines(source).stream()
              .filter(l -> l.startsWith("// nvrtc:"))
              .map(l -> l.substring("// nvrtc:".length()).strip())
              .toList();
      return named.isEmpty() ? Stream.of("-DBF16=0", "-DBF16=1") : named.stream();
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @Tag("nvrtc")
  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("variants")
  void everyKernelCompiles(String variant) throws ClassNotFoundException {
    Nvrtc nvrtc = nvrtc();
    String[] words = variant.split(" +");
    Path file = Path.of(words[0]);
    List<String> options = new java.util.ArrayList<>(List.of(words).subList(2, words.length));
    options.addAll(List.of("--gpu-architecture=" + words[1], "--std=c++17"));
    KernelSource source = KernelSource.at("/" + file.getParent(), file.getFileName().toString());
    assertThat(nvrtc.compile(source, options)).isNotEmpty();
  }

  private static Nvrtc nvrtc() {
    assumeThat(SEARCH.found()).as("NVRTC is installed").isTrue();
    return new Nvrtc(SEARCH.library());
  }
}
