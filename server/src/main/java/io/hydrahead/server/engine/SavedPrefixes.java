package io.hydrahead.server.engine;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.serve.BatchEngine;
import io.hydrahead.server.engine.Scheduler.Disk;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CancellationException;

/**
 * The file of one engine's prefixes in a {@link PrefixStore}. What is wrong with it is a warning:
 * prompts are read again then. Used by one thread at a time.
 */
final class SavedPrefixes {
  private static final System.Logger LOG = System.getLogger("io.hydrahead.server");

  /** Whoever writes for so long without a byte is dead. */
  private static final Duration DEAD = Duration.ofMinutes(10);

  private final BatchEngine engine;
  private final Optional<PrefixStore> store;
  private final Path file;
  private long bytes;
  private int restored;
  private int saved;
  private int failures;

  SavedPrefixes(BatchEngine engine, Optional<PrefixStore> store) {
    this.engine = engine;
    this.store = store;
    file = store.map(s -> s.folder().resolve(engine.prefixFileName())).orElse(Path.of(""));
  }

  /**
   * Gives the engine what was saved, if there is something and it is fit for it.
   *
   * @throws CancellationException if the store's progress asks to stop
   */
  void restore() {
    if (store.isEmpty() || !Files.exists(file)) {
      return;
    }
    AtomicFile.removeLeft(file, DEAD);
    try {
      restored = engine.restorePrefixes(file, store.get().progress());
      bytes = Files.size(file);
    } catch (InputException | IOException e) {
      engine.forgetPrefixes();
      failures++;
      LOG.log(
          Level.WARNING,
          "no saved prefixes are used; those of this run are saved at its end: " + e.getMessage());
    }
  }

  /** Saves what the engine knows, if there is something that is in no file yet. */
  void save() {
    if (store.isEmpty() || !engine.hasNewPrefixes()) {
      return;
    }
    try {
      saved = engine.savePrefixes(file, store.get().mostBytes(), store.get().progress());
      bytes = Files.size(file);
    } catch (CancellationException e) {
      LOG.log(Level.DEBUG, "prefixes are not saved: the process ends", e);
    } catch (RuntimeException | IOException e) {
      failures++;
      LOG.log(Level.WARNING, "prefixes are not saved: " + e.getMessage());
    }
  }

  /**
   * @param reused tokens of what was restored that were of use
   */
  Disk disk(long reused) {
    return new Disk(bytes, restored, reused, saved, failures);
  }
}
