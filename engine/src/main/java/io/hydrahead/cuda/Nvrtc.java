package io.hydrahead.cuda;

import static io.hydrahead.cuda.NativeCalls.call;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** NVIDIA's run-time compiler. Headers go to it from memory; it reads no files. */
final class Nvrtc implements KernelCompiler {
  private static final int COMPILATION = 6;

  private final NativeLibrary library;
  private final int major;
  private final int minor;

  Nvrtc(NativeLibrary library) {
    this.library = library;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_INT, 2);
      long at = out.address();
      check("nvrtcVersion", call(library.function("nvrtcVersion"), at, at + 4));
      major = out.getAtIndex(JAVA_INT, 0);
      minor = out.getAtIndex(JAVA_INT, 1);
    }
  }

  @Override
  public String version() {
    return "NVRTC " + major + "." + minor;
  }

  /** What it was loaded as. */
  String name() {
    return library.name();
  }

  @Override
  public byte[] compile(KernelSource source, List<String> options) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment program = arena.allocate(JAVA_LONG);
      List<String> names = new ArrayList<>(source.headers().keySet());
      List<String> contents = new ArrayList<>(source.headers().values());
      check(
          "nvrtcCreateProgram",
          call(
              library.function("nvrtcCreateProgram"),
              program.address(),
              arena.allocateFrom(source.text()).address(),
              arena.allocateFrom(source.name()).address(),
              names.size(),
              strings(arena, contents).address(),
              strings(arena, names).address()));
      try {
        return compile(arena, program.get(JAVA_LONG, 0), source, options);
      } finally {
        call(library.function("nvrtcDestroyProgram"), program.address());
      }
    }
  }

  private byte[] compile(Arena arena, long program, KernelSource source, List<String> options) {
    int status =
        call(
            library.function("nvrtcCompileProgram"),
            program,
            options.size(),
            strings(arena, options).address());
    if (status != 0) {
      throw new CudaUnavailableException(
          failure(source, options, status, log(arena, program))
              + "; take --device cpu, or another NVRTC through HYDRAHEAD_NVRTC");
    }
    MemorySegment size = arena.allocate(JAVA_LONG);
    check(
        "nvrtcGetCUBINSize", call(library.function("nvrtcGetCUBINSize"), program, size.address()));
    MemorySegment cubin = arena.allocate(Math.max(1, size.get(JAVA_LONG, 0)));
    check("nvrtcGetCUBIN", call(library.function("nvrtcGetCUBIN"), program, cubin.address()));
    return cubin.toArray(JAVA_BYTE);
  }

  private String failure(KernelSource source, List<String> options, int status, String log) {
    String what =
        source.name() + " does not compile with " + version() + " and " + String.join(" ", options);
    if (status != COMPILATION) {
      what += " (NVRTC error " + status + ")";
    }
    return what + ": " + firstErrors(log);
  }

  /** The lines with errors, at most three; the whole log where none is marked as one. */
  static String firstErrors(String log) {
    List<String> errors = log.lines().filter(l -> l.contains("error")).limit(3).toList();
    return (errors.isEmpty() ? log.lines().limit(3) : errors.stream())
        .map(String::strip)
        .collect(Collectors.joining("; "));
  }

  private String log(Arena arena, long program) {
    MemorySegment size = arena.allocate(JAVA_LONG);
    if (call(library.function("nvrtcGetProgramLogSize"), program, size.address()) != 0) {
      return "";
    }
    MemorySegment text = arena.allocate(Math.max(1, size.get(JAVA_LONG, 0)));
    if (call(library.function("nvrtcGetProgramLog"), program, text.address()) != 0) {
      return "";
    }
    return text.getString(0);
  }

  private static MemorySegment strings(Arena arena, List<String> texts) {
    MemorySegment out = arena.allocate(ADDRESS, Math.max(1, texts.size()));
    for (int i = 0; i < texts.size(); i++) {
      out.setAtIndex(ADDRESS, i, arena.allocateFrom(texts.get(i)));
    }
    return out;
  }

  private static void check(String what, int status) {
    if (status != 0) {
      throw new CudaException(status, what + ": NVRTC error " + status);
    }
  }
}
