package io.hydrahead.tokenizer;

import java.util.Arrays;

/**
 * The merges of a byte-pair encoding: pair of ids → rank and id of the merged token. Words are
 * merged lowest rank first, leftmost first among equals.
 */
final class MergeTable {
  private static final long NONE = Long.MAX_VALUE;
  private static final long EMPTY = -1;
  private static final int SHORT = 64;

  private final long[] keys;
  private final long[] values;
  private final int mask;

  /** Room for {@code merges} entries. */
  MergeTable(int merges) {
    int size = Integer.highestOneBit(Math.max(merges, 8) * 2 - 1) * 2;
    keys = new long[size];
    values = new long[size];
    Arrays.fill(keys, EMPTY);
    mask = size - 1;
  }

  /** Sets the rank of a merge; a later one of the same pair replaces an earlier one. */
  void put(int left, int right, int rank, int merged) {
    long key = key(left, right);
    int slot = slot(key);
    while (keys[slot] != EMPTY && keys[slot] != key) {
      slot = slot + 1 & mask;
    }
    keys[slot] = key;
    values[slot] = (long) rank << 32 | merged;
  }

  /** Rank in the upper, merged id in the lower half; {@link #NONE} for no merge. */
  private long get(int left, int right) {
    long key = key(left, right);
    for (int slot = slot(key); ; slot = slot + 1 & mask) {
      long k = keys[slot];
      if (k == key) {
        return values[slot];
      }
      if (k == EMPTY) {
        return NONE;
      }
    }
  }

  private static long key(int left, int right) {
    return (long) left << 32 | right;
  }

  private int slot(long key) {
    long h = key * 0x9E3779B97F4A7C15L;
    return (int) (h >>> 32) & mask;
  }

  /** Buffers of one thread. */
  static final class Scratch {
    private long[] merges = new long[256];
    private int[] next = new int[0];
    private int[] previous = new int[0];
    private long[] heap = new long[0];
    private int heapSize;

    private void reserve(int n) {
      if (merges.length < n) {
        merges = new long[Math.max(n, merges.length * 2)];
      }
    }

    private void reserveLong(int n) {
      if (next.length < n) {
        int size = Math.max(n, next.length * 2);
        next = new int[size];
        previous = new int[size];
        heap = new long[3 * size];
      }
      heapSize = 0;
    }

    private void push(long value) {
      int i = heapSize++;
      while (i > 0) {
        int parent = (i - 1) >>> 1;
        if (heap[parent] <= value) {
          break;
        }
        heap[i] = heap[parent];
        i = parent;
      }
      heap[i] = value;
    }

    private long pop() {
      long top = heap[0];
      long last = heap[--heapSize];
      int i = 0;
      while (true) {
        int child = 2 * i + 1;
        if (child >= heapSize) {
          break;
        }
        if (child + 1 < heapSize && heap[child + 1] < heap[child]) {
          child++;
        }
        if (heap[child] >= last) {
          break;
        }
        heap[i] = heap[child];
        i = child;
      }
      heap[i] = last;
      return top;
    }
  }

  /** Merges {@code ids[0 … n − 1]} in place; returns how many are left. */
  int merge(int[] ids, int n, Scratch scratch) {
    if (n < 2) {
      return n;
    }
    scratch.reserve(n);
    long[] merges = scratch.merges;
    for (int i = 0; i + 1 < n; i++) {
      merges[i] = get(ids[i], ids[i + 1]);
    }
    return n <= SHORT ? mergeShort(ids, n, merges) : mergeLong(ids, n, scratch);
  }

  private int mergeShort(int[] ids, int n, long[] merges) {
    while (n > 1) {
      int best = 0;
      for (int i = 1; i < n - 1; i++) {
        if (merges[i] < merges[best]) {
          best = i;
        }
      }
      if (merges[best] == NONE) {
        break;
      }
      ids[best] = (int) merges[best];
      n--;
      System.arraycopy(ids, best + 2, ids, best + 1, n - best - 1);
      System.arraycopy(merges, best + 1, merges, best, n - best - 1);
      if (best > 0) {
        merges[best - 1] = get(ids[best - 1], ids[best]);
      }
      if (best < n - 1) {
        merges[best] = get(ids[best], ids[best + 1]);
      }
    }
    return n;
  }

  /** With a heap of (rank, position), so that a word of n bytes takes O(n log n). */
  private int mergeLong(int[] ids, int n, Scratch s) {
    s.reserveLong(n);
    long[] merges = s.merges;
    merges[n - 1] = NONE;
    for (int i = 0; i < n; i++) {
      s.next[i] = i + 1;
      s.previous[i] = i - 1;
      if (merges[i] != NONE) {
        s.push(entry(merges[i], i));
      }
    }
    while (s.heapSize > 0) {
      long top = s.pop();
      int i = (int) top;
      if (merges[i] == NONE || entry(merges[i], i) != top) {
        continue; // its pair has changed since
      }
      ids[i] = (int) merges[i];
      int gone = s.next[i];
      int right = s.next[gone];
      merges[gone] = NONE;
      s.next[i] = right;
      merges[i] = NONE;
      if (right < n) {
        s.previous[right] = i;
        update(s, ids, i, right);
      }
      if (s.previous[i] >= 0) {
        update(s, ids, s.previous[i], i);
      }
    }
    int out = 0;
    for (int i = 0; i < n; i = s.next[i]) {
      ids[out++] = ids[i];
    }
    return out;
  }

  private void update(Scratch s, int[] ids, int left, int right) {
    long m = get(ids[left], ids[right]);
    s.merges[left] = m;
    if (m != NONE) {
      s.push(entry(m, left));
    }
  }

  private static long entry(long merge, int position) {
    return merge & 0xFFFFFFFF00000000L | position;
  }
}
