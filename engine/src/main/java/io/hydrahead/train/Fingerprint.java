package io.hydrahead.train;

import io.hydrahead.model.ParameterStore;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 over everything that a run begins with; 16 hex digits of it name the run's inputs. */
public final class Fingerprint {
  private static final long PIECE = 1L << 28;

  private final MessageDigest sha;

  public Fingerprint() {
    try {
      sha = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  public Fingerprint add(String text) {
    sha.update(text.getBytes(StandardCharsets.UTF_8));
    sha.update((byte) 0);
    return this;
  }

  public Fingerprint add(byte[] bytes) {
    sha.update(bytes);
    return add("" + bytes.length);
  }

  /** The bytes of a file, as {@link #add(byte[])} takes them, of any size. */
  public Fingerprint add(Path file) throws IOException {
    long bytes = 0;
    try (InputStream in = Files.newInputStream(file)) {
      byte[] piece = new byte[1 << 20];
      for (int n = in.read(piece); n >= 0; n = in.read(piece)) {
        sha.update(piece, 0, n);
        bytes += n;
      }
    }
    return add("" + bytes);
  }

  /** Names and bytes of all parameters. */
  public Fingerprint add(ParameterStore parameters) {
    for (String name : parameters.names()) {
      add(name);
      MemorySegment s = parameters.get(name).onHost().segment();
      for (long at = 0; at < s.byteSize(); at += PIECE) {
        sha.update(s.asSlice(at, Math.min(PIECE, s.byteSize() - at)).asByteBuffer());
      }
    }
    return this;
  }

  /** Ends the digest. */
  public String hex() {
    return HexFormat.of().formatHex(sha.digest(), 0, 8);
  }
}
