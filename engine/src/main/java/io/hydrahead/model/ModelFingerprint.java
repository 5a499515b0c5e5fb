package io.hydrahead.model;

import io.hydrahead.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * Tells models apart whose caches must not be mixed up: a hash of structure, style, and the element
 * type, shape and some elements of every parameter.
 */
public final class ModelFingerprint {
  /** Elements of a parameter, spread over it: training changes all of them. */
  private static final int ELEMENTS = 16;

  private ModelFingerprint() {}

  /** SHA-256 in hexadecimal digits. */
  public static String of(HybridTransformer m) {
    MessageDigest hash;
    try {
      hash = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
    update(hash, m.config().toString());
    update(hash, m.plan().toString());
    update(hash, m.style().toString());
    update(hash, m.ops().activations().toString());
    ByteBuffer four = ByteBuffer.allocate(4);
    for (int l = 0; l < m.plan().layers(); l++) {
      for (int head : m.plan().fullHeads(l)) {
        hash.update(four.clear().putInt(l * m.plan().heads() + head).flip());
      }
    }
    for (String name : m.parameters().names()) {
      Tensor t = m.parameters().get(name);
      update(hash, name + t.dtype() + Arrays.toString(t.shape()));
      long count = Math.min(ELEMENTS, t.size());
      for (long i = 0; i < count; i++) {
        long at = count < 2 ? 0 : i * (t.size() - 1) / (count - 1);
        hash.update(four.clear().putFloat(t.get(at)).flip());
      }
    }
    return HexFormat.of().formatHex(hash.digest());
  }

  private static void update(MessageDigest hash, String text) {
    hash.update(text.getBytes(StandardCharsets.UTF_8));
    hash.update((byte) 0);
  }
}
