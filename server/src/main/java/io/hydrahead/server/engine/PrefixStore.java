package io.hydrahead.server.engine;

import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import java.nio.file.Path;

/**
 * A folder where a scheduler leaves what it has read of prompts when it ends, and finds it when it
 * begins. Models that share it have a file each; of schedulers of one model that share it, the last
 * to end leaves its own.
 *
 * @param folder is created when there is something to save
 * @param mostBytes most bytes of a file; the least recently used prefixes are left out
 * @param progress hears of restoring and saving, and may stop the first
 */
public record PrefixStore(Path folder, long mostBytes, Progress progress) {
  /** Most bytes of a file unless told otherwise: 4 GiB. */
  public static final long MOST_BYTES = 4L << 30;

  public PrefixStore {
    if (mostBytes < 1) {
      throw new InputException("saved prefixes may take " + mostBytes + " bytes: give more");
    }
  }

  /** In {@code folder}, with {@link #MOST_BYTES}. */
  public static PrefixStore in(Path folder) {
    return new PrefixStore(folder, MOST_BYTES, Progress.SILENT);
  }
}
