package io.hydrahead.checkpoint;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Exchanges two folders in one step with Linux's {@code renameat2(…, RENAME_EXCHANGE)}; where that
 * is missing, with two renames, which {@link OutputFolder} repairs at its next start if a crash
 * falls between them.
 */
final class FolderSwap {
  private static final int AT_FDCWD = -100;
  private static final int RENAME_EXCHANGE = 2;
  private static final Optional<MethodHandle> RENAMEAT2 = find();

  private FolderSwap() {}

  private static Optional<MethodHandle> find() {
    if (!System.getProperty("os.name", "").equals("Linux")) {
      return Optional.empty();
    }
    try {
      Linker linker = Linker.nativeLinker();
      return linker
          .defaultLookup()
          .find("renameat2")
          .map(f ->
              linker.downcallHandle(
                  f,
                  FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, ADDRESS, JAVA_INT)));
    } catch (UnsupportedOperationException | IllegalCallerException e) {
      return Optional.empty();
    }
  }

  /** Puts {@code fresh} in the place of {@code target}, whose old content goes to {@code old}. */
  static void replace(Path fresh, Path target, Path old) throws IOException {
    if (exchange(fresh, target)) {
      Storage.move(fresh, old);
    } else {
      renameTwice(fresh, target, old);
    }
  }

  static void renameTwice(Path fresh, Path target, Path old) throws IOException {
    Storage.move(target, old);
    try {
      Storage.move(fresh, target);
    } catch (IOException e) {
      Storage.move(old, target);
      throw e;
    }
  }

  private static boolean exchange(Path a, Path b) {
    if (RENAMEAT2.isEmpty()) {
      return false;
    }
    try (Arena arena = Arena.ofConfined()) {
      return (int)
              RENAMEAT2
                  .get()
                  .invokeExact(
                      AT_FDCWD,
                      arena.allocateFrom(a.toString()),
                      AT_FDCWD,
                      arena.allocateFrom(b.toString()),
                      RENAME_EXCHANGE)
          == 0;
    } catch (Throwable t) {
      return false;
    }
  }
}
