package io.hydrahead.train;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.checkpoint.OutputFolder;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;

/**
 * The output of a long run: while it trains, states and log lie in {@code <target>.run} beside the
 * target; the target itself appears all at once at the end, and the run's folder goes. The target
 * is locked all the while. A run's folder in which nothing is finished, no state and no file of
 * another step, counts as none, and goes when the run ends in whatever way.
 */
public final class RunFolder implements AutoCloseable {
  private final OutputFolder out;
  private final Path work;
  private final boolean resume;

  private RunFolder(OutputFolder out, Path work, boolean resume) {
    this.out = out;
    this.work = work;
    this.resume = resume;
  }

  /**
   * What {@link #begin} will ask, for commands that have something to load first.
   *
   * @throws InputException as there
   */
  public static void requireReady(Path target, boolean resume, boolean force) {
    requireRun(target, resume, force);
    OutputFolder.requireReady(target, force);
  }

  private static void requireRun(Path target, boolean resume, boolean force) {
    Path work = work(target);
    if (Files.exists(work) && !Files.isDirectory(work)) {
      throw new InputException(
          work
              + ": is a file, and the folder of the run's states is to be there; choose another -o or"
              + " move it");
    }
    if (resume && !Files.isDirectory(work)) {
      throw new InputException(
          target
              + ": there is no unfinished run to resume (no folder "
              + work
              + "); start without --resume");
    }
    if (!resume && !force && holdsWork(work)) {
      throw new InputException(
          work + ": an unfinished run is there; go on with --resume or start again with --force");
    }
  }

  private static Path work(Path target) {
    Path place = target.toAbsolutePath().normalize();
    return place.resolveSibling(place.getFileName() + ".run");
  }

  /** Whether {@code work} has what took time: more than a log's beginning and a tokenizer. */
  private static boolean holdsWork(Path work) {
    if (!Files.isDirectory(work)) {
      return false;
    }
    try (Stream<Path> files = Files.list(work)) {
      return files
          .map(f -> f.getFileName().toString())
          .anyMatch(n ->
              !n.startsWith(".")
                  && !n.equals(TrainingRun.LOG)
                  && !ModelFiles.TOKENIZER_FILES.contains(n));
    } catch (IOException e) {
      return true; // whoever can read it may know
    }
  }

  /**
   * Locks the target and its run.
   *
   * @param resume go on with the run that is there
   * @param force replace the target, and forget a run that is there
   * @throws InputException naming the folder and the option to give, if the target exists, an
   *     unfinished run is there and neither option is given, or there is nothing to resume
   */
  public static RunFolder begin(Path target, boolean resume, boolean force) {
    Path work = work(target);
    requireRun(target, resume, force);
    OutputFolder out = OutputFolder.begin(target, force);
    boolean ready = false;
    try {
      requireRun(target, resume, force); // under the lock
      if (!resume && Files.isDirectory(work)) {
        delete(work);
      }
      Files.createDirectories(work);
      ready = true;
      return new RunFolder(out, work, resume);
    } catch (IOException e) {
      throw new InputException(
          work + ": cannot be written (" + e + "); choose another place or free the folder", e);
    } finally {
      if (!ready) {
        out.close();
      }
    }
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path p : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(p);
      }
    }
  }

  /** Folder of states and log. */
  public Path work() {
    return work;
  }

  /** The target in the making. */
  public OutputFolder out() {
    return out;
  }

  public boolean resume() {
    return resume;
  }

  /** Whether there is something to resume. */
  public boolean holdsWork() {
    return holdsWork(work);
  }

  /** The training log's text. */
  public String log() {
    try {
      return Files.readString(work.resolve(TrainingRun.LOG));
    } catch (IOException e) {
      throw new UncheckedIOException("the training log cannot be read", e);
    }
  }

  /** Puts the log beside the model, gives the target its name and removes the run's folder. */
  public void commit() {
    AtomicFile.write(out.path().resolve(TrainingRun.LOG), log());
    out.commit();
    try {
      delete(work);
    } catch (IOException e) {
      throw new UncheckedIOException(work + ": is no longer needed and cannot be removed", e);
    }
  }

  /** Gives the lock back; a folder that holds work stays for a resumption. */
  @Override
  public void close() {
    try {
      if (Files.isDirectory(work) && !holdsWork()) {
        delete(work);
      }
    } catch (IOException e) {
      // it counts as none, and the next run removes it
    } finally {
      out.close();
    }
  }
}
