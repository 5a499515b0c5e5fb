package io.hydrahead.ops.gemm;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/** What the bindings of native libraries share. */
final class NativeFunctions {
  private NativeFunctions() {}

  /**
   * Runs {@code touch}, which makes a class load its library.
   *
   * @throws IllegalArgumentException with the loader's reason if that fails, now or earlier
   */
  static void initialise(Runnable touch) {
    try {
      touch.run();
    } catch (ExceptionInInitializerError e) {
      throw new IllegalArgumentException(String.valueOf(e.getCause().getMessage()), e);
    } catch (NoClassDefFoundError e) { // an attempt after the first one failed
      Throwable first = e.getCause();
      throw new IllegalArgumentException(String.valueOf(first == null ? e : first), e);
    }
  }

  /** The library of that file in {@code folder}, or the system's where there is no such file. */
  static SymbolLookup open(Path folder, String name) {
    return folder == null || !Files.exists(folder.resolve(name))
        ? SymbolLookup.libraryLookup(name, Arena.global())
        : SymbolLookup.libraryLookup(folder.resolve(name), Arena.global());
  }

  static MethodHandle function(SymbolLookup in, String name, FunctionDescriptor type) {
    MemorySegment symbol =
        in.find(name).orElseThrow(() -> new IllegalArgumentException("no symbol " + name));
    return Linker.nativeLinker().downcallHandle(symbol, type);
  }

  /** Sets a variable in the process's own environment, which libraries read, unless it is set. */
  static void environment(String name, String value) {
    MethodHandle setenv =
        function(
            Linker.nativeLinker().defaultLookup(),
            "setenv",
            FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_INT));
    try (Arena arena = Arena.ofConfined()) {
      int keep = 0;
      int status =
          (int) setenv.invokeExact(arena.allocateFrom(name), arena.allocateFrom(value), keep);
      if (status != 0) {
        throw new IllegalStateException("setenv " + name + " failed");
      }
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  /** What to throw for something that a method handle threw. */
  static RuntimeException failed(Throwable t) {
    if (t instanceof Error e) {
      throw e;
    }
    return t instanceof RuntimeException e ? e : new IllegalStateException(t);
  }
}
