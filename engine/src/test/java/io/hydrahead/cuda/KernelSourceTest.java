package io.hydrahead.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Sources and their compilation. NVRTC needs no GPU: where it is installed, every kernel of the
 * engine is compiled here. A line {@code // nvrtc: -DNAME=value …} of a source names a variant
 * (without such lines there are two, float32 and bf16); all of them are compiled with {@code
 * -Pslow}.
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

  private static final Path RESOURCES = Path.of("src/main/resources");

  static Stream<Path> sources() throws IOException {
    try (Stream<Path> files = Files.walk(RESOURCES)) {
      return files
          .filter(f -> f.toString().endsWith(".cu"))
          .map(RESOURCES::relativize)
          .sorted()
          .toList()
          .stream();
    }
  }

  private static KernelSource source(Path file) {
    return KernelSource.at("/" + file.getParent(), file.getFileName().toString());
  }

  /** NVRTC is given no folders: what is not ours cannot be included. */
  @ParameterizedTest
  @MethodSource("sources")
  void everySourceFindsItsHeadersAndAsksForNoOthers(Path file) {
    KernelSource source = source(file);
    assertThat(source.text()).contains("extern \"C\"").doesNotContainPattern("#\\s*include\\s*<");
    source
        .headers()
        .values()
        .forEach(h -> assertThat(h).doesNotContainPattern("#\\s*include\\s*<"));
  }

  /** The first variant of each source, for the architecture that most of them are written for. */
  @ParameterizedTest
  @MethodSource("sources")
  void everySourceCompiles(Path file) throws IOException {
    Nvrtc nvrtc = nvrtc();
    compile(nvrtc, file, "sm_90a", variants(file).getFirst());
  }

  @Tag("slow")
  @ParameterizedTest
  @MethodSource("sources")
  void everyVariantCompiles(Path file) throws IOException {
    Nvrtc nvrtc = nvrtc();
    for (String variant : variants(file)) {
      compile(nvrtc, file, "sm_80", variant);
      compile(nvrtc, file, "sm_90a", variant);
    }
  }

  private static List<String> variants(Path file) throws IOException {
    List<String> named =
        Files.readAllLines(RESOURCES.resolve(file)).stream()
            .filter(l -> l.startsWith("// nvrtc:"))
            .map(l -> l.substring("// nvrtc:".length()).strip())
            .toList();
    return named.isEmpty() ? List.of("-DBF16=0", "-DBF16=1") : named;
  }

  private static void compile(Nvrtc nvrtc, Path file, String architecture, String variant) {
    List<String> options = new ArrayList<>(List.of(variant.split(" +")));
    options.addAll(List.of("--gpu-architecture=" + architecture, "--std=c++17"));
    assertThat(nvrtc.compile(source(file), options)).as("%s %s", file, variant).isNotEmpty();
  }

  private static Nvrtc nvrtc() {
    assumeThat(SEARCH.found()).as("NVRTC is installed").isTrue();
    return new Nvrtc(SEARCH.library());
  }
}
