package io.hydrahead.train;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.checkpoint.OutputFolder;
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
 * is locked all the while.
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
   * Locks the target and its run.
   *
   * @param resume go on with the run that is there
   * @param force replace the target, and forget a run that is there
   * @throws InputException naming the folder and the option to give, if the target exists, an
   *     unfinished run is there and neither option is given, or there is nothing to resume
   */
  public static RunFolder begin(Path target, boolean resume, boolean force) {
    Path place = target.toAbsolutePath().normalize();
    Path work = place.resolveSibling(place.getFileName() + ".run");
    if (resume && !Files.isDirectory(work)) {
      throw new InputException(
          target
              + ": there is no unfinished run to resume (no folder "
              + work
              + "); start without --resume");
    }
    OutputFolder out = OutputFolder.begin(target, force);
    boolean ready = false;
    try {
      if (!resume && Files.isDirectory(work)) {
        if (!force) {
          throw new InputException(
              work
                  + ": an unfinished run is there; go on with --resume or start again with --force");
        }
        delete(work);
      }
      Files.createDirectories(work);
      ready = true;
      return new RunFolder(out, work, resume);
    } catch (IOException e) {
      throw new InputException(
          work + ": cannot be written (" + e + "); choose another -o or free the folder", e);
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

  /** Gives the lock back; the run's folder stays for a resumption unless the run was committed. */
  @Override
  public void close() {
    out.close();
  }
}
