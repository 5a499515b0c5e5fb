package io.hydrahead.checkpoint;

import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Optional;

/**
 * Keeps two runs out of one output: an operating-system lock on the sibling file {@code
 * .<name>.lock}, which a crash releases by itself.
 */
public final class OutputLock implements AutoCloseable {
  private static final int ATTEMPTS = 20;

  private final Path file;
  private final FileChannel channel;

  private OutputLock(Path file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
    Unfinished.trace(List.of(file));
  }

  /**
   * Takes the lock of the output {@code target}, whose parent folder must exist.
   *
   * @throws InputException if another run, in this process or not, holds it
   */
  public static OutputLock acquire(Path target) {
    Path file = file(target);
    try {
      for (int i = 0; i < ATTEMPTS; i++) {
        OutputLock lock = attempt(file, target);
        if (lock != null) {
          return lock;
        }
      }
      throw inUse(target);
    } catch (IOException e) {
      throw Storage.cannotWrite(file, e);
    }
  }

  /**
   * Refuses a {@code target} whose lock another run holds.
   *
   * @throws InputException saying so
   */
  static void requireFree(Path target) {
    if (Files.exists(file(target))) {
      acquire(target).close();
    }
  }

  private static Path file(Path target) {
    Path absolute = target.toAbsolutePath().normalize();
    return Storage.parent(target).resolve("." + absolute.getFileName() + ".lock");
  }

  /**
   * Null if the file was removed by its last holder between opening and locking it. The check must
   * not open the file again: closing any descriptor of it would drop a POSIX lock.
   */
  private static OutputLock attempt(Path file, Path target) throws IOException {
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    boolean held = false;
    try {
      Optional<Object> opened = identity(file);
      if (channel.tryLock() == null) {
        throw inUse(target);
      }
      held = opened.isPresent() && opened.equals(identity(file));
      return held ? new OutputLock(file, channel) : null;
    } catch (OverlappingFileLockException e) {
      throw inUse(target);
    } finally {
      if (!held) {
        channel.close();
      }
    }
  }

  private static Optional<Object> identity(Path file) throws IOException {
    try {
      Object key = Files.readAttributes(file, BasicFileAttributes.class).fileKey();
      return Optional.of(key == null ? file : key);
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }

  private static InputException inUse(Path target) {
    return new InputException(
        target + ": another run is writing there; wait for it or choose another -o");
  }

  /** Gives the lock back and removes its file. */
  @Override
  public void close() {
    try {
      if (channel.isOpen()) {
        Files.deleteIfExists(file);
        channel.close();
        Unfinished.forget(List.of(file));
      }
    } catch (IOException e) {
      // The lock goes with the process at the latest; a left file does no harm.
    }
  }
}
