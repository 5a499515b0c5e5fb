package io.hydrahead.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CudaLibrariesTest {
  @TempDir Path temp;

  @Test
  void aVariableLeavesNoChoice() {
    CudaLibraries libraries = new CudaLibraries(Map.of("HYDRAHEAD_NVRTC", "/x/libnvrtc.so.13"));
    assertThat(libraries.candidates(CudaLibraries.Kind.NVRTC, 13))
        .containsExactly("/x/libnvrtc.so.13");
  }

  @Test
  void librariesNewerThanTheDriverAreNotTaken() {
    CudaLibraries libraries = new CudaLibraries(Map.of());
    assertThat(libraries.candidates(CudaLibraries.Kind.CUBLASLT, 12))
        .contains("libcublasLt.so.12")
        .noneMatch(n -> n.endsWith(".13"));
    assertThat(libraries.candidates(CudaLibraries.Kind.CUBLASLT, 13).getFirst())
        .isEqualTo("libcublasLt.so.13");
  }

  @Test
  void pythonsPackagesAreSearched() throws IOException {
    Path lib =
        Files.createDirectories(temp.resolve("lib/python3.12/site-packages/nvidia/cu13/lib"));
    Path file = Files.createFile(lib.resolve("libnvrtc.so.13"));
    CudaLibraries libraries = new CudaLibraries(Map.of("VIRTUAL_ENV", temp.toString()));
    assertThat(libraries.candidates(CudaLibraries.Kind.NVRTC, 13)).contains(file.toString());
    Files.createDirectories(temp.resolve("bin"));
    Files.createFile(temp.resolve("bin/python3"));
    libraries = new CudaLibraries(Map.of("PATH", "/none:" + temp.resolve("bin")));
    assertThat(libraries.candidates(CudaLibraries.Kind.NVRTC, 13)).contains(file.toString());
  }

  @Test
  void aMissingLibraryIsNamedWithTheLoadersWordsAndTheFix() {
    var nowhere = NativeLibrary.load("/nowhere/libcuda.so.1");
    var search = new CudaLibraries.Search(CudaLibraries.Kind.DRIVER, false, List.of(nowhere));
    assertThatThrownBy(search::library)
        .isInstanceOf(InputException.class)
        .hasMessageContaining("no libcuda")
        .hasMessageContaining("/nowhere/libcuda.so.1: cannot open shared object file")
        .hasMessageContaining("install NVIDIA's driver");
  }

  /** Installing a driver does not help where a variable names another file. */
  @Test
  void aVariableThatLeadsNowhereIsTheThingToMend() {
    Map<String, String> environment = Map.of("HYDRAHEAD_LIBCUDA", "nonsense");
    assertThatThrownBy(() -> CudaDevice.open(0, environment))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("HYDRAHEAD_LIBCUDA=nonsense: nonsense: cannot open shared object")
        .hasMessageContaining("give the full path of libcuda.so, or unset it")
        .hasMessageNotContaining("install");
    assertThat(CudaReport.examine(environment))
        .filteredOn(f -> f.what().equals("libcuda"))
        .singleElement()
        .satisfies(f -> assertThat(f.found()).contains("HYDRAHEAD_LIBCUDA=nonsense"))
        .satisfies(f -> assertThat(f.fix()).contains("or unset it").doesNotContain("install"));
  }

  @Test
  void aFileThatIsNoLibraryIsNamedWithTheLoadersWords() throws IOException {
    Path file = Files.writeString(temp.resolve("libcuda.so.1"), "not a library, but long enough");
    Map<String, String> environment = Map.of("HYDRAHEAD_LIBCUDA", file.toString());
    assertThatThrownBy(() -> CudaDevice.open(0, environment))
        .isInstanceOf(CudaUnavailableException.class)
        .hasMessageContaining(file + ": ")
        .hasMessageContaining("HYDRAHEAD_LIBCUDA");
  }

  @Test
  void aLibraryWithoutTheFunctionsIsTooOld() {
    // The C library is there on every Linux and is certainly no driver.
    Map<String, String> environment = Map.of("HYDRAHEAD_LIBCUDA", "libc.so.6");
    if (NativeLibrary.load("libc.so.6").library().isPresent()) {
      assertThatThrownBy(() -> CudaDevice.open(0, environment))
          .isInstanceOf(CudaUnavailableException.class)
          .hasMessageContaining("libc.so.6 has no cuGetErrorName")
          .hasMessageContaining("HYDRAHEAD_LIBCUDA names it: name the right file, or unset it");
    }
  }
}
