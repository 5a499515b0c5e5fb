package io.hydrahead.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CubinCacheTest {
  private static final KernelSource SOURCE =
      new KernelSource("a.cu", "#include \"h.cuh\"\n", Map.of("h.cuh", "int x;"));

  @TempDir Path temp;

  /** Counts what it compiles. */
  private static final class Counting implements KernelCompiler {
    final List<List<String>> compiled = new ArrayList<>();
    String version = "NVRTC 13.0";

    @Override
    public String version() {
      return version;
    }

    @Override
    public byte[] compile(KernelSource source, List<String> options) {
      compiled.add(options);
      return new byte[] {1, 2, (byte) compiled.size()};
    }
  }

  @Test
  void compilesOnce() {
    Counting compiler = new Counting();
    Path folder = temp.resolve("cubin");
    byte[] first = builder(compiler, folder, "sm_90a").build(SOURCE, "-DBF16=1");
    byte[] again = builder(compiler, folder, "sm_90a").build(SOURCE, "-DBF16=1");
    assertThat(again).isEqualTo(first);
    assertThat(compiler.compiled).hasSize(1);
    assertThat(compiler.compiled.getFirst()).contains("--gpu-architecture=sm_90a", "-DBF16=1");
  }

  @Test
  void everythingThatMattersIsInTheKey() {
    String key = SOURCE.key(List.of("-DA=1"), "NVRTC 13.0");
    assertThat(SOURCE.key(List.of("-DA=1"), "NVRTC 13.0")).isEqualTo(key);
    assertThat(SOURCE.key(List.of("-DA=2"), "NVRTC 13.0")).isNotEqualTo(key);
    assertThat(SOURCE.key(List.of("-DA=1"), "NVRTC 13.1")).isNotEqualTo(key);
    assertThat(
            new KernelSource("a.cu", "other", SOURCE.headers()).key(List.of("-DA=1"), "NVRTC 13.0"))
        .isNotEqualTo(key);
    assertThat(
            new KernelSource("a.cu", SOURCE.text(), Map.of("h.cuh", "int y;"))
                .key(List.of("-DA=1"), "NVRTC 13.0"))
        .isNotEqualTo(key);
    assertThat(SOURCE.key(List.of("-DA=1", "-DB"), "NVRTC 13.0"))
        .isNotEqualTo(SOURCE.key(List.of("-DA=1-DB"), "NVRTC 13.0"));
  }

  @Test
  void damagedFilesAreCompiledAgain() throws IOException {
    Counting compiler = new Counting();
    builder(compiler, temp, "sm_90a").build(SOURCE);
    Path file;
    try (var files = Files.list(temp)) {
      file = files.findFirst().orElseThrow();
    }
    byte[] whole = Files.readAllBytes(file);
    for (int length : new int[] {0, 5, 32, whole.length - 1}) {
      Files.write(file, java.util.Arrays.copyOf(whole, length));
      int before = compiler.compiled.size();
      builder(compiler, temp, "sm_90a").build(SOURCE);
      assertThat(compiler.compiled).as("%s bytes left", length).hasSize(before + 1);
    }
    assertThat(temp.toFile().list()).as("no parts left behind").hasSize(1);
  }

  @Test
  void aFolderThatCannotBeWrittenIsDoneWithout() throws IOException {
    Path file = Files.writeString(temp.resolve("file"), "not a folder");
    Counting compiler = new Counting();
    KernelBuilder builder = builder(compiler, file.resolve("cubin"), "sm_80");
    assertThat(builder.build(SOURCE)).isNotEmpty();
    assertThat(builder.build(SOURCE)).isNotEmpty();
  }

  @Test
  void failuresAreNotKept() {
    KernelCompiler failing =
        new KernelCompiler() {
          @Override
          public String version() {
            return "NVRTC 13.0";
          }

          @Override
          public byte[] compile(KernelSource source, List<String> options) {
            throw new CudaUnavailableException("a.cu(1): error: no");
          }
        };
    assertThatThrownBy(() -> builder(failing, temp, "sm_90a").build(SOURCE))
        .hasMessageContaining("a.cu(1)");
    assertThat(temp).isEmptyDirectory();
  }

  @Test
  void theFolderFollowsTheEnvironment() {
    assertThat(CubinCache.folder(Map.of(), "/home/x"))
        .isEqualTo(Path.of("/home/x/.cache/hydrahead/cubin"));
    assertThat(CubinCache.folder(Map.of("XDG_CACHE_HOME", "/c"), "/home/x"))
        .isEqualTo(Path.of("/c/hydrahead/cubin"));
  }

  @Test
  void hopperAndNewerGetTheirOwnFeatures() {
    assertThat(KernelBuilder.architecture(8, 0)).isEqualTo("sm_80");
    assertThat(KernelBuilder.architecture(8, 9)).isEqualTo("sm_89");
    assertThat(KernelBuilder.architecture(9, 0)).isEqualTo("sm_90a");
    assertThat(KernelBuilder.architecture(12, 0)).isEqualTo("sm_120a");
  }

  private static KernelBuilder builder(KernelCompiler compiler, Path folder, String architecture) {
    return new KernelBuilder(compiler, new CubinCache(folder), architecture);
  }
}
