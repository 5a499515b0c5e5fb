package io.hydrahead.checkpoint;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.InputException;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/**
 * Writes one file so that a crash at any moment leaves either the old content or the new: temporary
 * sibling, fsync, rename, fsync of the folder. Missing parent folders are created.
 */
public final class AtomicFile {
  private static final Set<StandardOpenOption> FRESH =
      Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);

  private AtomicFile() {}

  /** Writes the content of a file. */
  @FunctionalInterface
  public interface Body {
    void writeTo(OutputStream out) throws IOException;
  }

  /** Writes the content of a file through its channel. */
  @FunctionalInterface
  interface ChannelBody {
    void writeTo(FileChannel out) throws IOException;
  }

  /**
   * What a command asks before it starts to compute: whether {@code target} is free, as {@link
   * #requireFree(Path, boolean, String)} has it, and could be written.
   *
   * @param option that names the file
   * @throws InputException naming the path and a fix
   */
  public static void requireReady(Path target, boolean force, String option) {
    requireFree(target, force, option);
    Storage.requireWritable(target, option);
  }

  /**
   * Refuses an existing {@code target} unless {@code force}.
   *
   * @throws InputException naming the file and {@code --force}
   */
  public static void requireFree(Path target, boolean force) {
    requireFree(target, force, "-o");
  }

  /** Like {@link #requireFree(Path, boolean)} for a file that {@code option} names. */
  public static void requireFree(Path target, boolean force, String option) {
    if (Files.isDirectory(target)) {
      throw new InputException(
          target + ": is a folder, a file is to be written; choose another " + option);
    }
    if (Files.exists(target) && !Files.isRegularFile(target)) {
      throw new InputException(
          target + ": is a device or a pipe and is not replaced; choose another " + option);
    }
    if (!force && Files.exists(target)) {
      throw new InputException(
          target + ": exists already; choose another " + option + " or pass --force");
    }
  }

  /**
   * Replaces {@code target}, or creates it, with what {@code body} writes.
   *
   * @throws InputException naming the path and a fix, if it cannot be written; nothing is left then
   */
  public static void write(Path target, Body body) {
    writeChannel(target, buffered(body));
  }

  private static ChannelBody buffered(Body body) {
    return channel -> {
      OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel), 1 << 16);
      body.writeTo(out);
      out.flush();
    };
  }

  /**
   * Like {@link #write(Path, Body)}, for the owner's eyes only, and so are folders that it creates;
   * as far as the file system knows owners.
   */
  public static void writePrivate(Path target, Body body) {
    writeChannel(target, buffered(body), true);
  }

  /**
   * Removes what killed processes have left of writing {@code target}: temporaries that nobody has
   * written to for {@code idle}.
   */
  public static void removeLeft(Path target, Duration idle) {
    String prefix = Unfinished.prefix(target);
    FileTime latest = FileTime.from(Instant.now().minus(idle));
    try (Stream<Path> siblings = Files.list(Storage.parent(target))) {
      for (Path p : siblings.filter(s -> s.getFileName().toString().startsWith(prefix)).toList()) {
        if (Files.getLastModifiedTime(p).compareTo(latest) < 0) {
          Files.deleteIfExists(p);
        }
      }
    } catch (IOException | UncheckedIOException e) {
      // gone meanwhile, or not ours to remove: the next one will
    }
  }

  /** Replaces {@code target}, or creates it, with {@code bytes}. */
  public static void write(Path target, byte[] bytes) {
    write(target, out -> out.write(bytes));
  }

  /** Replaces {@code target}, or creates it, with {@code text} in UTF-8. */
  public static void write(Path target, String text) {
    write(target, text.getBytes(StandardCharsets.UTF_8));
  }

  /** Writes {@code json} indented; an existing {@code target} only if {@code force}. */
  public static void write(Path target, JsonNode json, boolean force) {
    requireFree(target, force);
    write(target, Json.write(json));
  }

  static void writeChannel(Path target, ChannelBody body) {
    writeChannel(target, body, false);
  }

  private static void writeChannel(Path target, ChannelBody body, boolean ownerOnly) {
    requireFree(target, true);
    Path temporary = null;
    List<Path> created = List.of();
    boolean done = false;
    try {
      Path folder = Storage.parent(target);
      created = Storage.createFolders(folder, mode(target, ownerOnly, "rwx------"));
      Unfinished.trace(created);
      temporary = Unfinished.sibling(target);
      try (FileChannel channel =
          FileChannel.open(temporary, FRESH, mode(target, ownerOnly, "rw-------"))) {
        body.writeTo(channel);
        channel.force(true);
      }
      Path from = temporary;
      Path to = folder.resolve(target.getFileName());
      Unfinished.finish(from, () -> Storage.move(from, to));
      Storage.syncFolder(folder);
      done = true;
    } catch (IOException e) {
      throw Storage.cannotWrite(target, e);
    } finally {
      if (!done) {
        if (temporary != null) {
          Unfinished.discard(temporary);
        }
        Storage.removeFolders(created);
      }
      Unfinished.forget(created);
    }
  }

  /** {@code mode} for a new file or folder, where the file system has such. */
  private static FileAttribute<?>[] mode(Path target, boolean ownerOnly, String mode) {
    return ownerOnly && target.getFileSystem().supportedFileAttributeViews().contains("posix")
        ? new FileAttribute<?>[] {
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(mode))
        }
        : new FileAttribute<?>[0];
  }
}
