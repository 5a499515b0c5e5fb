package io.hydrahead.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * A shared library that has been loaded.
 *
 * @param name the soname or file it was loaded as
 * @param variable of the environment that names it; empty if it was found without one
 */
record NativeLibrary(String name, SymbolLookup symbols, String variable) {
  private static final int LAZY = 1;

  /** The same, named by {@code variable} of the environment. */
  NativeLibrary namedBy(String variable) {
    return new NativeLibrary(name, symbols, variable);
  }

  /** What came of an attempt to load a library: it, or the dynamic loader's own words. */
  record Attempt(String name, Optional<NativeLibrary> library, String error) {}

  /** Loads {@code name}, a soname or a path. The library stays loaded until the process ends. */
  static Attempt load(String name) {
    String error = loaderError(name);
    if (!error.isEmpty()) {
      return new Attempt(name, Optional.empty(), error);
    }
    try {
      SymbolLookup symbols =
          name.indexOf('/') >= 0
              ? SymbolLookup.libraryLookup(java.nio.file.Path.of(name), Arena.global())
              : SymbolLookup.libraryLookup(name, Arena.global());
      return new Attempt(name, Optional.of(new NativeLibrary(name, symbols, "")), "");
    } catch (IllegalArgumentException e) {
      return new Attempt(name, Optional.empty(), e.getMessage());
    }
  }

  /**
   * The function of that name.
   *
   * @throws CudaUnavailableException if this version of the library has none
   */
  MemorySegment function(String function) {
    return symbols
        .find(function)
        .orElseThrow(() ->
            new CudaUnavailableException(
                name
                    + " has no "
                    + function
                    + (variable.isEmpty()
                        ? ": it is too old; install a newer one"
                        : ": it is too old or another library; "
                            + variable
                            + " names it: name the right file, or unset it")));
  }

  /** The function of that name, or NULL where this version of the library has none. */
  MemorySegment functionOrNull(String function) {
    return symbols.find(function).orElse(MemorySegment.NULL);
  }

  /**
   * Empty if the library loads. Java's own message leaves out the reason, so dlopen is asked first.
   */
  private static String loaderError(String name) {
    Linker linker = Linker.nativeLinker();
    Optional<MemorySegment> open = linker.defaultLookup().find("dlopen");
    Optional<MemorySegment> error = linker.defaultLookup().find("dlerror");
    if (open.isEmpty() || error.isEmpty()) {
      return ""; // not a POSIX system: SymbolLookup will tell
    }
    FunctionDescriptor opening =
        FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT);
    MethodHandle dlopen = linker.downcallHandle(open.get(), opening);
    MethodHandle dlerror =
        linker.downcallHandle(error.get(), FunctionDescriptor.of(ValueLayout.ADDRESS));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = (MemorySegment) dlopen.invokeExact(arena.allocateFrom(name), LAZY);
      if (handle.address() != 0) {
        return "";
      }
      MemorySegment text = (MemorySegment) dlerror.invokeExact();
      return text.address() == 0
          ? "unknown error"
          : text.reinterpret(Integer.MAX_VALUE).getString(0);
    } catch (Throwable t) {
      return t.toString();
    }
  }
}
