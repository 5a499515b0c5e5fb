package io.hydrahead.checkpoint;

import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * An output folder that appears all at once: files are written to a temporary sibling, which takes
 * the target's name on {@link #commit()}. Without a commit, and on Ctrl-C, nothing is left.
 *
 * <pre>{@code
 * try (OutputFolder out = OutputFolder.begin(target, force)) {
 *   SafetensorsWriter.of(tensors).write(out.path().resolve("model.safetensors"));
 *   out.commit();
 * }
 * }</pre>
 */
public final class OutputFolder implements AutoCloseable {
  private final Path target;
  private final Path temporary;
  private final List<Path> created;
  private final OutputLock lock;
  private final boolean force;
  private boolean closed;
  private boolean committed;

  private OutputFolder(
      Path target, Path temporary, List<Path> created, OutputLock lock, boolean force) {
    this.target = target;
    this.temporary = temporary;
    this.created = created;
    this.lock = lock;
    this.force = force;
  }

  /**
   * What a command asks before it starts to compute: whether {@code target} is free, as {@link
   * #requireFree} has it, could be written, and is not being written by another run.
   *
   * @throws InputException naming the folder and a fix
   */
  public static void requireReady(Path target, boolean force) {
    requireFree(target, force);
    Storage.requireWritable(target, "-o");
    OutputLock.requireFree(target);
  }

  /**
   * What a command asks that adds to a folder, new or old: whether something could be put there.
   *
   * @throws InputException naming the folder and a fix
   */
  public static void requireUsable(Path folder) {
    if (Files.exists(folder) && !Files.isDirectory(folder)) {
      throw isFile(folder);
    }
    Storage.requireWritableInside(folder, "-o");
  }

  /**
   * Creates a folder to add to, unless it is there.
   *
   * @throws InputException naming the folder and a fix
   */
  public static void create(Path folder) {
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw Storage.cannotWrite(folder, e);
    }
  }

  private static InputException isFile(Path target) {
    return new InputException(target + ": is a file, a folder is to be written; choose another -o");
  }

  /**
   * Refuses an existing {@code target} unless {@code force}; an empty folder counts as free.
   *
   * @throws InputException naming the folder and {@code --force}
   */
  public static void requireFree(Path target, boolean force) {
    if (!Files.exists(target)) {
      return;
    }
    if (!Files.isDirectory(target)) {
      throw isFile(target);
    }
    if (isEmpty(target)) {
      return;
    }
    if (!force) {
      throw new InputException(target + ": exists already; choose another -o or pass --force");
    }
    Path place = target.toAbsolutePath().normalize();
    for (String property : List.of("user.dir", "user.home")) {
      if (Path.of(System.getProperty(property, "/")).toAbsolutePath().startsWith(place)) {
        throw new InputException(
            target
                + ": holds the working or the home folder and is not replaced; choose another -o");
      }
    }
  }

  private static boolean isEmpty(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.findAny().isEmpty();
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * Locks {@code target} and creates the temporary folder, and what is missing of the parents.
   *
   * @throws InputException if the target exists and {@code force} is false, if another run is
   *     writing it, or if it cannot be written
   */
  public static OutputFolder begin(Path target, boolean force) {
    Path place = target.toAbsolutePath().normalize();
    requireFree(target, force);
    List<Path> created = List.of();
    OutputLock lock = null;
    Path temporary = null;
    boolean ready = false;
    try {
      created = Storage.createFolders(Storage.parent(target));
      Unfinished.trace(created);
      lock = OutputLock.acquire(target);
      recover(place);
      requireFree(target, force); // somebody may have finished it while we were on the way
      temporary = Unfinished.sibling(place);
      Files.createDirectory(temporary);
      ready = true;
      return new OutputFolder(place, temporary, created, lock, force);
    } catch (IOException e) {
      throw Storage.cannotWrite(target, e);
    } finally {
      if (!ready) {
        if (temporary != null) {
          Unfinished.discard(temporary);
        }
        if (lock != null) {
          lock.close();
        }
        Storage.removeFolders(created);
        Unfinished.forget(created);
      }
    }
  }

  /** Cleans up after a crash: puts an old folder back that lost its name, removes temporaries. */
  private static void recover(Path target) throws IOException {
    String prefix = Unfinished.prefix(target);
    Path old = old(target);
    if (Files.exists(old)) {
      if (Files.exists(target)) {
        Storage.delete(old);
      } else {
        Storage.move(old, target);
      }
    }
    List<Path> left;
    try (Stream<Path> siblings = Files.list(Storage.parent(target))) {
      left = siblings.filter(p -> p.getFileName().toString().startsWith(prefix)).toList();
    }
    for (Path p : left) {
      Storage.delete(p);
    }
  }

  private static Path old(Path target) {
    return Storage.parent(target).resolve("." + target.getFileName() + ".old");
  }

  /** Where to write the files until the commit. */
  public Path path() {
    return temporary;
  }

  /** Where they will be after it. */
  public Path target() {
    return target;
  }

  /**
   * Checks that {@code bytes} more fit on the target's file system.
   *
   * @throws InputException with both numbers, if they do not
   */
  public void requireSpace(long bytes) {
    long free;
    try {
      free = Files.getFileStore(temporary).getUsableSpace();
    } catch (IOException e) {
      throw Storage.cannotWrite(target, e);
    }
    if (free < bytes) {
      throw new InputException(
          target
              + ": needs "
              + bytes
              + " bytes, its file system has "
              + free
              + " left; free some space or choose another -o");
    }
  }

  /**
   * Makes the folder durable and gives it its name. A crash leaves the old folder or the new one.
   *
   * @throws InputException if that fails; the old folder is then still there
   */
  public void commit() {
    if (closed || committed) {
      throw new IllegalStateException("already committed or closed");
    }
    try {
      Storage.syncTree(temporary);
      Unfinished.finish(temporary, this::rename);
      committed = true;
      Storage.syncFolder(Storage.parent(target));
      Storage.delete(old(target));
    } catch (IOException e) {
      throw Storage.cannotWrite(target, e);
    }
  }

  private void rename() throws IOException {
    if (!Files.exists(target) || isEmpty(target)) {
      Storage.move(temporary, target);
    } else if (force) {
      FolderSwap.replace(temporary, target, old(target));
    } else {
      requireFree(target, false);
    }
  }

  /** Removes what was not committed and gives the lock back. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    if (!committed) {
      Unfinished.discard(temporary);
    }
    lock.close();
    if (!committed) {
      Storage.removeFolders(created);
    }
    Unfinished.forget(created);
  }
}
