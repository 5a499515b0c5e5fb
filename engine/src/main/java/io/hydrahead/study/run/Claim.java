package io.hydrahead.study.run;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * One process's claim to a piece of work: an operating-system lock on an empty file, which ends
 * with the process. The files stay.
 */
final class Claim implements AutoCloseable {
  private final FileChannel channel;

  private Claim(FileChannel channel) {
    this.channel = channel;
  }

  /** The claim, or empty where another process, or another run in this one, has it. */
  static Optional<Claim> take(Path file) {
    try {
      Files.createDirectories(file.toAbsolutePath().getParent());
      FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      FileLock lock = null;
      try {
        lock = channel.tryLock();
      } catch (OverlappingFileLockException e) {
        // held in this process
      }
      if (lock == null) {
        channel.close();
        return Optional.empty();
      }
      return Optional.of(new Claim(channel));
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": cannot be locked", e);
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
    } catch (IOException e) {
      throw new UncheckedIOException("a lock cannot be given back", e);
    }
  }
}
