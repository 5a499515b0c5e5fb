package io.hydrahead.study.run;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A worker's claim to a piece of work: an operating-system lock on an empty file, which ends with
 * the process. The files stay.
 */
final class Claim implements AutoCloseable {
  /**
   * What workers of this process hold. Asked first, since closing any descriptor of a file drops
   * all locks that the process has on it.
   */
  private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

  private final Path file;
  private final FileChannel channel;

  private Claim(Path file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
  }

  /** The claim, or empty where another worker, of this process or another, has it. */
  static Optional<Claim> take(Path path) {
    Path file = path.toAbsolutePath().normalize();
    if (!HELD.add(file)) {
      return Optional.empty();
    }
    boolean taken = false;
    try {
      Files.createDirectories(file.getParent());
      FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      try {
        taken = channel.tryLock() != null;
      } finally {
        if (!taken) {
          channel.close();
        }
      }
      return taken ? Optional.of(new Claim(file, channel)) : Optional.empty();
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": cannot be locked", e);
    } finally {
      if (!taken) {
        HELD.remove(file);
      }
    }
  }

  /** Whether somebody else is at work there. */
  static boolean taken(Path file) {
    if (!Files.exists(file)) {
      return false;
    }
    Optional<Claim> own = take(file);
    own.ifPresent(Claim::close);
    return own.isEmpty();
  }

  @Override
  public void close() {
    try {
      channel.close();
      HELD.remove(file);
    } catch (IOException e) {
      throw new UncheckedIOException("a lock cannot be given back", e);
    }
  }
}
