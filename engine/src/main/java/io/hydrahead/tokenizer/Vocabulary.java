package io.hydrahead.tokenizer;

import io.hydrahead.tensor.InputException;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** Tokens and their ids, added tokens included; ids may have holes. */
final class Vocabulary {
  private final Map<String, Integer> ids;
  private final byte[][] bytes;
  private final int[] byteIds = new int[256];

  /**
   * @param model tokens of the model
   * @param all those and the added ones
   * @param source names the file in errors
   */
  Vocabulary(Map<String, Integer> model, Map<String, Integer> all, String source) {
    ids = Map.copyOf(all);
    int size = all.values().stream().mapToInt(i -> i + 1).max().orElse(0);
    bytes = new byte[size][];
    all.forEach((token, id) -> {
      if (bytes[id] != null) {
        throw new InputException(
            source + ": two tokens have id " + id + ", '" + token + "' is one");
      }
      byte[] b = ByteAlphabet.bytesOf(token);
      bytes[id] = b == null ? token.getBytes(StandardCharsets.UTF_8) : b;
    });
    for (int b = 0; b < 256; b++) {
      Integer id = model.get(String.valueOf(ByteAlphabet.charOf(b)));
      if (id == null) {
        throw new InputException(
            source
                + ": model.vocab lacks the token of byte "
                + b
                + " ('"
                + ByteAlphabet.charOf(b)
                + "'): not a byte-level vocabulary");
      }
      byteIds[b] = id;
    }
  }

  /** Largest id + 1. */
  int size() {
    return bytes.length;
  }

  int byteId(int unsignedByte) {
    return byteIds[unsignedByte];
  }

  /** Id of a token, or −1. */
  int find(String token) {
    return ids.getOrDefault(token, -1);
  }

  /** Id of the token that spells {@code n} bytes, or −1. */
  int find(int[] unsignedBytes, int n) {
    char[] chars = new char[n];
    for (int i = 0; i < n; i++) {
      chars[i] = ByteAlphabet.charOf(unsignedBytes[i]);
    }
    return find(new String(chars));
  }

  /** What {@code id} decodes to; empty for an id without a token. */
  byte[] bytes(int id) {
    return id >= 0 && id < bytes.length && bytes[id] != null ? bytes[id] : NOTHING;
  }

  private static final byte[] NOTHING = new byte[0];
}
