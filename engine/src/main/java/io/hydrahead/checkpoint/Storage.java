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
    return cannotWrite(path, e, "place");
  }

  /** The same, with what the user can choose another of: an option, or a place. */
  private static RuntimeException cannotWrite(Path path, IOException e, String choice) {
    if (Unfinished.ending()) {
      return new CancellationException("interrupted");
    }
    String reason = reason(e);
    String another = "choose another " + choice;
    String fix =
        switch (e) {
          case AccessDeniedException _ -> another + " or change its permissions";
          case NotDirectoryException _ -> "a parent of it is a file; " + another;
          case FileAlreadyExistsException _ -> "a parent of it is a file; " + another;
          default -> {
            String r = reason.toLowerCase(Locale.ROOT);
            if (r.contains("no space") || r.contains("quota")) {
              yield "free some space or " + another;
            }
            if (r.contains("read-only")) {
              yield "the file system is read-only; " + another;
            }
            if (r.contains("not a directory")) {
              yield "a parent of it is a file; " + another;
            }
            yield another;
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
   * one, and takes a file beside the target's name, which is removed again. Permissions alone say
   * little: nobody may write to a file system of the kernel's, and root's permissions say he may.
   *
   * @param option that names the target
   * @throws InputException naming the target, what refuses and the option
   */
  static void requireWritable(Path target, String option) {
    parent(target);
    requireRoom(target, target.toAbsolutePath().normalize(), option);
  }

  /** The same for what is put into {@code folder}, which need not exist. */
  static void requireWritableInside(Path folder, String option) {
    requireRoom(folder, folder.toAbsolutePath().normalize().resolve("trial"), option);
  }

  private static void requireRoom(Path named, Path target, String option) {
    Path missing = target; // or what is there and would be replaced
    while (!Files.exists(missing.getParent())) {
      missing = missing.getParent();
    }
    if (!Files.isDirectory(missing.getParent())) {
      throw new InputException(
          named
              + ": cannot be written: "
              + missing.getParent()
              + " is a file; choose another "
              + option);
    }
    Path trial = Unfinished.sibling(missing);
    try {
      Files.write(trial, new byte[] {1}, StandardOpenOption.CREATE_NEW);
    } catch (IOException e) {
      throw cannotWrite(named, e, option);
    } finally {
      Unfinished.discard(trial);
    }
  }

  /** Creates missing folders up to {@code folder}; returns those it created, outermost first. */
  static List<Path> createFolders(Path folder, FileAttribute<?>... attributes) throws IOException {
    List<Path> missing = new ArrayList<>();
    for (Path p = folder; p != null && !Files.exists(p); p = p.getParent()) {
      missing.addFirst(p);
    }
    boolean done = false;
    try {
      Files.createDirectories(folder, attributes);
      done = true;
    } finally {
      if (!done) {
        removeFolders(missing);
      }
    }
    return missing;
  }

  /** Removes folders that {@link #createFolders} made, as far as they are empty. */
  static void removeFolders(List<Path> created) {
    for (Path p : created.reversed()) {
      try {
        Files.deleteIfExists(p);
      } catch (IOException e) {
        // somebody put something there, or it could never be made
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
