package io.hydrahead.cuda;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;

/**
 * Machine code on disk, one file a key: its SHA-256, then the code. A file counts only if the two
 * agree, and gets its name by an atomic rename when it is whole. Where the folder cannot be written
 * everything goes on without it.
 */
final class CubinCache {
  private static final System.Logger LOG = System.getLogger(CubinCache.class.getName());
  private static final int DIGEST = 32;

  private final Path folder;
  private boolean readOnly;

  CubinCache(Path folder) {
    this.folder = folder;
  }

  /** {@code $XDG_CACHE_HOME/hydrahead/cubin}, or below {@code ~/.cache}. */
  static Path folder(Map<String, String> environment, String home) {
    String xdg = environment.getOrDefault("XDG_CACHE_HOME", "");
    Path base = xdg.isEmpty() ? Path.of(home, ".cache") : Path.of(xdg);
    return base.resolve("hydrahead").resolve("cubin");
  }

  Path folder() {
    return folder;
  }

  /** The code stored under {@code key}; empty if there is none, or none that is whole. */
  Optional<byte[]> read(String key) {
    try {
      byte[] all = Files.readAllBytes(file(key));
      if (all.length <= DIGEST) {
        return Optional.empty();
      }
      byte[] code = Arrays.copyOfRange(all, DIGEST, all.length);
      boolean whole = Arrays.equals(sha256(code), Arrays.copyOf(all, DIGEST));
      return whole ? Optional.of(code) : Optional.empty();
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /** Stores code; where that is impossible, the log says so once. */
  void write(String key, byte[] code) {
    if (readOnly) {
      return;
    }
    try {
      Files.createDirectories(folder);
      Path part = Files.createTempFile(folder, key, ".part");
      try {
        byte[] all = Arrays.copyOf(sha256(code), DIGEST + code.length);
        System.arraycopy(code, 0, all, DIGEST, code.length);
        Files.write(part, all);
        Files.move(part, file(key), StandardCopyOption.ATOMIC_MOVE);
      } finally {
        Files.deleteIfExists(part);
      }
    } catch (IOException e) {
      readOnly = true;
      LOG.log(Level.INFO, "compiled kernels are not kept: {0}", e.toString());
    }
  }

  private Path file(String key) {
    return folder.resolve(key + ".cubin");
  }

  private static byte[] sha256(byte[] data) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(data);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
