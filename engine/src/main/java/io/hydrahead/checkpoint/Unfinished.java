package io.hydrahead.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Temporary paths that are being written. A shutdown hook removes them, so that Ctrl-C leaves
 * nothing half-written; {@link #finish} excludes the hook, so that a result is either removed or
 * wholly there.
 */
final class Unfinished {
  private static final Set<Path> PATHS = ConcurrentHashMap.newKeySet();
  private static final Set<Path> TRACES = ConcurrentHashMap.newKeySet();
  private static final Object LOCK = new Object();
  private static volatile boolean ending;

  static {
    Runtime.getRuntime().addShutdownHook(new Thread(Unfinished::removeAll, "hydrahead-unfinished"));
  }

  private Unfinished() {}

  /** Steps that turn a temporary path into the result. */
  interface Finish {
    void run() throws IOException;
  }

  /** Whether the process is going down. */
  static boolean ending() {
    return ending;
  }

  /** A fresh name beside {@code target}, recognisable as a temporary of it. */
  static Path sibling(Path target) {
    long id = ThreadLocalRandom.current().nextLong() & 0xFFFFFFFFFFL;
    String name =
        prefix(target)
            + ProcessHandle.current().pid()
            + "-"
            + Long.toString(id, Character.MAX_RADIX);
    Path path = Storage.parent(target).resolve(name);
    PATHS.add(path);
    return path;
  }

  /** How the names of temporaries of {@code target} begin. */
  static String prefix(Path target) {
    return "." + target.toAbsolutePath().normalize().getFileName() + ".tmp-";
  }

  /**
   * Runs the last renames unless the JVM is going down; {@code temporary} is then no longer
   * watched.
   */
  static void finish(Path temporary, Finish steps) throws IOException {
    synchronized (LOCK) {
      if (ending) {
        throw new CancellationException("interrupted");
      }
      steps.run();
      PATHS.remove(temporary);
    }
  }

  /**
   * Has lock files, and folders as far as they are then empty, removed too if the JVM goes down.
   */
  static void trace(Collection<Path> paths) {
    TRACES.addAll(paths);
  }

  static void forget(Collection<Path> paths) {
    TRACES.removeAll(paths);
  }

  /** Removes {@code temporary} if it is still there. */
  static void discard(Path temporary) {
    try {
      Storage.delete(temporary);
    } catch (IOException e) {
      // left for the next run's cleaning
    }
    PATHS.remove(temporary);
  }

  private static void removeAll() {
    synchronized (LOCK) {
      ending = true;
      for (int attempt = 0; attempt < 5 && !PATHS.isEmpty(); attempt++) {
        for (Path p : PATHS) {
          try {
            Storage.delete(p);
            PATHS.remove(p);
          } catch (IOException e) {
            // a writer is still adding files: try again
          }
        }
      }
      List<Path> traces = new ArrayList<>(TRACES);
      traces.sort(Comparator.reverseOrder()); // what lies deeper first
      for (Path p : traces) {
        try {
          Files.deleteIfExists(p);
        } catch (IOException e) {
          // not empty, or not ours any more
        }
      }
    }
  }
}
