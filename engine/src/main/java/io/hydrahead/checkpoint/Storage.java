package io.hydrahead.checkpoint;

import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;

/** File-system steps that the writers of this package share, and the wording of their failures. */
final class Storage {
  private Storage() {}

  static InputException cannotRead(Path path, IOException e) {
    return new InputException(
        path
            + ": cannot be read: "
            + reason(e)
            + (e instanceof NoSuchFileException ? "; check the path" : ""));
  }

  /** The error of a failed write; a cancellation if the process is going down. */
  static RuntimeException cannotWrite(Path path, IOException e) {
    if (Unfinished.ending()) {
      return new CancellationException("interrupted");
    }
    String reason = reason(e);
    String fix =
        switch (e) {
          case AccessDeniedException _ -> "choose another place or change its permissions";
          case NotDirectoryException _ -> "a parent of it is a file; choose another place";
          case FileAlreadyExistsException _ -> "a parent of it is a file; choose another place";
          default -> {
            String r = reason.toLowerCase(Locale.ROOT);
            if (r.contains("no space") || r.contains("quota")) {
              yield "free some space or choose another place";
            }
            if (r.contains("read-only")) {
              yield "the file system is read-only; choose another place";
            }
            if (r.contains("not a directory")) {
              yield "a parent of it is a file; choose another place";
            }
            yield "choose another place";
          }
        };
    return new InputException(path + ": cannot be written: " + reason + "; " + fix);
  }

  private static String reason(IOException e) {
    return switch (e) {
      case NoSuchFileException _ -> "no such file or folder";
      case AccessDeniedException _ -> "permission denied";
      case NotDirectoryException _ -> "not a directory";
      case FileAlreadyExistsException x -> x.getFile() + " is a file";
      case FileSystemException x when x.getReason() != null -> x.getReason();
      default -> e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    };
  }

  /** The folder that holds {@code path}. */
  static Path parent(Path path) {
    Path parent = path.toAbsolutePath().normalize().getParent();
    if (parent == null) {
      throw new InputException(path + ": is the root of the file system; choose another place");
    }
    return parent;
  }

  /**
   * Checks that something can be put at {@code target}: the nearest folder above it that exists is
   * one and can be written to.
   *
   * @param option that names the target
   * @throws InputException naming the folder that refuses
   */
  static void requireWritable(Path target, String option) {
    requireWritable(target, parent(target), option);
  }

  /** The same for what is put into {@code inside}, which need not exist. */
  static void requireWritable(Path target, Path inside, String option) {
    Path folder = inside.toAbsolutePath().normalize();
    while (!Files.exists(folder)) {
      folder = folder.getParent();
    }
    String refusal = null;
    if (!Files.isDirectory(folder)) {
      refusal = folder + " is a file; choose another " + option;
    } else if (!Files.isWritable(folder) || !Files.isExecutable(folder)) {
      refusal =
          readOnly(folder)
              ? "its file system is read-only; choose another " + option
              : folder
                  + ": permission denied; choose another "
                  + option
                  + " or change its permissions";
    }
    if (refusal != null) {
      throw new InputException(target + ": cannot be written: " + refusal);
    }
  }

  private static boolean readOnly(Path folder) {
    try {
      return Files.getFileStore(folder).isReadOnly();
    } catch (IOException e) {
      return false;
    }
  }

  /** Creates missing folders up to {@code folder}; returns those it created, outermost first. */
  static List<Path> createFolders(Path folder, FileAttribute<?>... attributes) throws IOException {
    List<Path> missing = new ArrayList<>();
    for (Path p = folder; p != null && !Files.exists(p); p = p.getParent()) {
      missing.addFirst(p);
    }
    Files.createDirectories(folder, attributes);
    return missing;
  }

  /** Removes folders that {@link #createFolders} made, as far as they are empty. */
  static void removeFolders(List<Path> created) {
    for (Path p : created.reversed()) {
      try {
        Files.deleteIfExists(p);
      } catch (IOException e) {
        return; // somebody put something there
      }
    }
  }

  static void sync(Path file) throws IOException {
    try (FileChannel c = FileChannel.open(file, StandardOpenOption.WRITE)) {
      c.force(true);
    }
  }

  /** Makes the names in {@code folder} durable, where the system can do that to a folder. */
  static void syncFolder(Path folder) {
    try (FileChannel c = FileChannel.open(folder, StandardOpenOption.READ)) {
      c.force(true);
    } catch (IOException e) {
      // Windows cannot open a folder; its renames are journaled.
    }
  }

  /** Makes every file and folder below {@code folder} durable, itself included. */
  static void syncTree(Path folder) throws IOException {
    for (Path p : deepestFirst(folder)) {
      if (Files.isDirectory(p)) {
        syncFolder(p);
      } else if (Files.isRegularFile(p)) {
        sync(p);
      }
    }
  }

  /** Renames within one file system; atomic where the system has that. */
  static void move(Path from, Path to) throws IOException {
    try {
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /** Deletes a file or a whole folder; a symbolic link itself, not what it points to. */
  static void delete(Path path) throws IOException {
    if (!Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
      Files.deleteIfExists(path);
      return;
    }
    for (Path p : deepestFirst(path)) {
      Files.deleteIfExists(p);
    }
  }

  private static List<Path> deepestFirst(Path folder) throws IOException {
    try (Stream<Path> walk = Files.walk(folder)) {
      return walk.sorted(Comparator.reverseOrder()).toList();
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }
}
