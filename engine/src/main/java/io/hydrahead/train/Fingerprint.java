package io.hydrahead.train;

import io.hydrahead.model.ParameterStore;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
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
