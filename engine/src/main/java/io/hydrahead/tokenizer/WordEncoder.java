package io.hydrahead.tokenizer;

import java.util.Arrays;

/**
 * Turns pieces into ids, remembering recent words. Belongs to one thread at a time; it also holds
 * that thread's output.
 */
final class WordEncoder implements Splitter.Pieces {
  private static final int MAX_CACHED_CHARS = 48;
  private static final int ENTRIES = 1 << 15;
  private static final int SLOTS = ENTRIES * 2;

  private final Vocabulary vocabulary;
  private final MergeTable merges;
  private final boolean ignoreMerges;
  private final MergeTable.Scratch scratch = new MergeTable.Scratch();

  // Entry e: key keys[keyAt[e] … keyAt[e + 1]), ids values[valueAt[e] … valueAt[e + 1]).
  private final int[] slots = new int[SLOTS];
  private final int[] hashes = new int[ENTRIES];
  private final int[] keyAt = new int[ENTRIES + 1];
  private final int[] valueAt = new int[ENTRIES + 1];
  private char[] keys = new char[1 << 12];
  private int[] values = new int[1 << 12];
  private int entries;

  private int[] word = new int[256];
  private int[] output = new int[1024];
  private int size;

  WordEncoder(Vocabulary vocabulary, MergeTable merges, boolean ignoreMerges) {
    this.vocabulary = vocabulary;
    this.merges = merges;
    this.ignoreMerges = ignoreMerges;
  }

  /** Appends an id to the output. */
  void add(int id) {
    if (size == output.length) {
      output = Arrays.copyOf(output, size * 2);
    }
    output[size++] = id;
  }

  /** The output so far; empties it. */
  int[] take() {
    int[] out = Arrays.copyOf(output, size);
    size = 0;
    return out;
  }

  void clear() {
    size = 0;
  }

  @Override
  public void piece(char[] text, int from, int to) {
    int length = to - from;
    if (length > MAX_CACHED_CHARS) {
      int n = encode(text, from, to);
      append(word, 0, n);
      return;
    }
    int hash = length;
    for (int i = from; i < to; i++) {
      hash = hash * 31 + text[i];
    }
    hash *= 0x9E3779B9;
    int slot = hash >>> 16 & SLOTS - 1;
    for (int e = slots[slot]; e != 0; e = slots[slot]) {
      if (hashes[e - 1] == hash && matches(e - 1, text, from, length)) {
        append(values, valueAt[e - 1], valueAt[e] - valueAt[e - 1]);
        return;
      }
      slot = slot + 1 & SLOTS - 1;
    }
    int n = encode(text, from, to);
    append(word, 0, n);
    remember(text, from, length, n, hash, slot);
  }

  private boolean matches(int entry, char[] text, int from, int length) {
    int at = keyAt[entry];
    return Arrays.equals(keys, at, keyAt[entry + 1], text, from, from + length);
  }

  private void append(int[] ids, int from, int n) {
    if (size + n > output.length) {
      output = Arrays.copyOf(output, Math.max(size + n, output.length * 2));
    }
    System.arraycopy(ids, from, output, size, n);
    size += n;
  }

  private void remember(char[] text, int from, int length, int n, int hash, int slot) {
    if (entries == ENTRIES) {
      Arrays.fill(slots, 0);
      entries = 0;
      slot = hash >>> 16 & SLOTS - 1;
    }
    int key = keyAt[entries];
    int value = valueAt[entries];
    if (key + length > keys.length) {
      keys = Arrays.copyOf(keys, keys.length * 2);
    }
    if (value + n > values.length) {
      values = Arrays.copyOf(values, values.length * 2);
    }
    System.arraycopy(text, from, keys, key, length);
    System.arraycopy(word, 0, values, value, n);
    hashes[entries] = hash;
    entries++;
    keyAt[entries] = key + length;
    valueAt[entries] = value + n;
    slots[slot] = entries;
  }

  /** Ids of one piece, into {@link #word}. */
  private int encode(char[] text, int from, int to) {
    int n = bytes(text, from, to);
    if (ignoreMerges) {
      int id = vocabulary.find(word, n);
      if (id >= 0) {
        word[0] = id;
        return 1;
      }
    }
    for (int i = 0; i < n; i++) {
      word[i] = vocabulary.byteId(word[i]);
    }
    return merges.merge(word, n, scratch);
  }

  /** UTF-8 bytes of the piece, one an element of {@link #word}. */
  private int bytes(char[] text, int from, int to) {
    long most = 3L * (to - from);
    if (most > word.length) {
      word = new int[Math.toIntExact(Math.max(most, word.length * 2L))];
    }
    int n = 0;
    for (int i = from; i < to; i++) {
      int c = text[i];
      if (c < 0x80) {
        word[n++] = c;
      } else if (c < 0x800) {
        word[n++] = 0xC0 | c >> 6;
        word[n++] = 0x80 | c & 0x3F;
      } else if (Character.isHighSurrogate((char) c)) {
        int p = Character.toCodePoint((char) c, text[++i]);
        word[n++] = 0xF0 | p >> 18;
        word[n++] = 0x80 | p >> 12 & 0x3F;
        word[n++] = 0x80 | p >> 6 & 0x3F;
        word[n++] = 0x80 | p & 0x3F;
      } else {
        word[n++] = 0xE0 | c >> 12;
        word[n++] = 0x80 | c >> 6 & 0x3F;
        word[n++] = 0x80 | c & 0x3F;
      }
    }
    return n;
  }
}
