package io.hydrahead.cuda;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Where the driver, NVRTC and cuBLASLt are on this machine. An environment variable names a file
 * outright; else the dynamic loader is asked for the soname, then the CUDA toolkit's folder, then
 * the folders in which Python's packages keep NVIDIA's libraries.
 */
public final class CudaLibraries {
  /** Releases of the runtime that are known to work, the newest first. */
  private static final int[] MAJORS = {13, 12};

  /** What is looked for. */
  public enum Kind {
    DRIVER(
        "libcuda",
        "HYDRAHEAD_LIBCUDA",
        "install NVIDIA's driver; in a container start it with --gpus all;"
            + " or name the file in HYDRAHEAD_LIBCUDA"),
    NVRTC(
        "libnvrtc",
        "HYDRAHEAD_NVRTC",
        "install CUDA's runtime compiler (pip install nvidia-cuda-nvrtc, or the CUDA toolkit); where"
            + " it lies in an unusual folder, name the file in HYDRAHEAD_NVRTC"),
    CUBLASLT(
        "libcublasLt",
        "HYDRAHEAD_CUBLASLT",
        "install cuBLAS (pip install nvidia-cublas, or the CUDA toolkit); where it lies in an unusual"
            + " folder, name the file in HYDRAHEAD_CUBLASLT");

    private final String stem;
    private final String variable;
    private final String fix;

    Kind(String stem, String variable, String fix) {
      this.stem = stem;
      this.variable = variable;
      this.fix = fix;
    }

    /** Name of the library without version, for example {@code libnvrtc}. */
    public String stem() {
      return stem;
    }

    /** Environment variable that names the file. */
    public String variable() {
      return variable;
    }

    /** What to do when it is missing. */
    public String fix() {
      return fix;
    }
  }

  private final Map<String, String> environment;

  /** Looks where {@code environment}, usually {@link System#getenv()}, points. */
  public CudaLibraries(Map<String, String> environment) {
    this.environment = Map.copyOf(environment);
  }

  /**
   * What was tried, in order, and what came of it.
   *
   * @param named whether the environment left no choice
   */
  record Search(Kind kind, boolean named, List<NativeLibrary.Attempt> attempts) {
    boolean found() {
      return !attempts.isEmpty() && attempts.getLast().library().isPresent();
    }

    /**
     * The library.
     *
     * @throws CudaUnavailableException with the loader's words and the fix if there is none
     */
    NativeLibrary library() {
      if (!found()) {
        throw new CudaUnavailableException("no " + kind.stem() + " (" + error() + ")", fix());
      }
      NativeLibrary library = attempts.getLast().library().orElseThrow();
      return named ? library.namedBy(kind.variable()) : library;
    }

    /** What to do when it was not found, or is not fit for use. */
    String fix() {
      return named
          ? kind.variable()
              + " names it: give the full path of "
              + kind.stem()
              + ".so, or unset it and it is looked for in the usual places"
          : kind.fix();
    }

    /** The loader's words about the likeliest candidate: the first that exists, else the first. */
    String error() {
      NativeLibrary.Attempt likeliest =
          attempts.stream()
              .filter(a -> a.name().indexOf('/') >= 0 && Files.exists(Path.of(a.name())))
              .findFirst()
              .orElse(attempts.getFirst());
      return named
          ? kind.variable() + "=" + likeliest.name() + ": " + likeliest.error()
          : likeliest.error();
    }
  }

  /** Looks for the driver. */
  Search driver() {
    return find(Kind.DRIVER, MAJORS[0]);
  }

  /**
   * Looks for a library of the runtime.
   *
   * @param newest the CUDA release that the driver understands; newer libraries are not taken
   */
  Search runtime(Kind kind, int newest) {
    return find(kind, newest);
  }

  private Search find(Kind kind, int newest) {
    List<NativeLibrary.Attempt> attempts = new ArrayList<>();
    for (String name : candidates(kind, newest)) {
      if (kind == Kind.NVRTC) {
        loadBuiltins(name);
      }
      NativeLibrary.Attempt attempt = NativeLibrary.load(name);
      attempts.add(attempt);
      if (attempt.library().isPresent()) {
        break;
      }
    }
    return new Search(kind, !named(kind).isEmpty(), attempts);
  }

  /**
   * NVRTC looks for its second half by soname only. Where the loader would not find it, it must be
   * there already: it lies beside the first.
   */
  private static void loadBuiltins(String nvrtc) {
    Path folder = Path.of(nvrtc).getParent();
    if (folder != null) {
      list(folder).stream()
          .filter(f -> f.getFileName().toString().startsWith("libnvrtc-builtins.so."))
          .forEach(f -> NativeLibrary.load(f.toString()));
    }
  }

  /** What the environment names outright, or nothing. */
  private String named(Kind kind) {
    return environment.getOrDefault(kind.variable(), "");
  }

  /** Names to try, the best first. A variable that is set leaves no choice. */
  List<String> candidates(Kind kind, int newest) {
    if (!named(kind).isEmpty()) {
      return List.of(named(kind));
    }
    List<String> files = files(kind, newest);
    Set<String> out = new LinkedHashSet<>(files);
    for (Path folder : folders(kind)) {
      for (String file : files) {
        Path path = folder.resolve(file);
        if (Files.exists(path)) {
          out.add(path.toString());
        }
      }
    }
    return List.copyOf(out);
  }

  private static List<String> files(Kind kind, int newest) {
    List<String> out = new ArrayList<>();
    if (kind == Kind.DRIVER) {
      out.add("libcuda.so.1");
      out.add("libcuda.so");
    } else {
      for (int major : MAJORS) {
        if (major <= newest) {
          out.add(kind.stem() + ".so." + major);
        }
      }
    }
    return out;
  }

  private List<Path> folders(Kind kind) {
    List<Path> out = new ArrayList<>();
    if (kind == Kind.DRIVER) {
      out.add(Path.of("/usr/lib/wsl/lib"));
      out.add(Path.of("/usr/lib/x86_64-linux-gnu"));
      out.add(Path.of("/usr/lib/aarch64-linux-gnu"));
      out.add(Path.of("/usr/lib64"));
      return out;
    }
    for (String root : List.of("CUDA_HOME", "CUDA_PATH")) {
      folder(environment.get(root)).forEach(p -> out.add(p.resolve("lib64")));
    }
    out.add(Path.of("/usr/local/cuda/lib64"));
    folder(environment.get("CONDA_PREFIX")).forEach(p -> out.add(p.resolve("lib")));
    for (Path packages : sitePackages()) {
      list(packages.resolve("nvidia")).forEach(p -> out.add(p.resolve("lib")));
    }
    return out;
  }

  /**
   * Folders of Python packages: of the active environment, of every python3 on PATH, of the user.
   */
  private List<Path> sitePackages() {
    Set<Path> prefixes = new LinkedHashSet<>();
    folder(environment.get("VIRTUAL_ENV")).forEach(prefixes::add);
    folder(environment.get("CONDA_PREFIX")).forEach(prefixes::add);
    for (String entry : environment.getOrDefault("PATH", "").split(":")) {
      folder(entry)
          .filter(p -> Files.exists(p.resolve("python3")) && p.getParent() != null)
          .forEach(p -> prefixes.add(p.getParent()));
    }
    folder(environment.get("HOME")).forEach(p -> prefixes.add(p.resolve(".local")));
    prefixes.add(Path.of("/usr/local"));
    prefixes.add(Path.of("/usr"));
    List<Path> out = new ArrayList<>();
    for (Path prefix : prefixes) {
      for (Path python : list(prefix.resolve("lib"))) {
        if (python.getFileName().toString().startsWith("python3")) {
          out.add(python.resolve("site-packages"));
          out.add(python.resolve("dist-packages"));
        }
      }
    }
    return out;
  }

  private static Stream<Path> folder(String name) {
    if (name == null || name.isBlank()) {
      return Stream.empty();
    }
    try {
      return Stream.of(Path.of(name));
    } catch (InvalidPathException e) {
      return Stream.empty();
    }
  }

  private static List<Path> list(Path folder) {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.sorted(java.util.Comparator.reverseOrder()).toList();
    } catch (IOException | java.io.UncheckedIOException e) {
      return List.of();
    }
  }
}
