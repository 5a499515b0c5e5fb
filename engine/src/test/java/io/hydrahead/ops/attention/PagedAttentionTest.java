package io.hydrahead.ops.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Keys and values in scattered blocks give what contiguous ones do, to the last bit. */
class PagedAttentionTest {
  private static final int BLOCK = KvPages.TOKENS;
  private static final int MOST = 30;

  private final Random random = new Random(3);

  @ParameterizedTest(name = "d {0}, {1} KV heads, one kernel {2}")
  @CsvSource({"16, 1, false", "20, 2, false", "64, 3, false", "128, 1, true", "20, 2, true"})
  void scatteredBlocksAreAsGoodAsACache(int d, int g, boolean oneKernel) {
    int[] kvOf = g == 1 ? new int[] {0, 0, 0} : new int[] {g - 1, 0, g - 1};
    int[] positions = {0, 63, 64, 1500, 200, 1023, 1024};
    int n = positions.length;
    // One pool of a wider one, so that blocks lie apart.
    long width = KvPages.elements(g, d);
    Tensor pool = noise(n * MOST, 2 * width + 32);
    Tensor table = Tensor.allocate(Arena.ofAuto(), DType.I32, n, MOST);
    int[] order = random.ints(0, n * MOST).distinct().limit(n * MOST).toArray();
    table.copyFrom(order, 0, order.length);
    KvPages pages =
        new KvPages(pool.columns(16, width), pool.columns(16 + width, width), g, d, table);
    Tensor q = noise(n, 3L * d);
    Tensor at = Tensor.allocate(Arena.ofAuto(), DType.I32, n);
    at.copyFrom(positions, 0, n);
    try (ComputePool team = new ComputePool(2)) {
      CausalAttention attention = new CpuCausalAttention(team, oneKernel);
      Shape s = new Shape(n, 1, 3, g, d, 0.3f);
      Tensor o = noise(n, 3L * d);
      attention.decodePaged(s, kvOf, pages, at, q, o);
      for (int b = 0; b < n; b++) {
        Tensor want = noise(1, 3L * d);
        int keys = positions[b] + 1;
        attention.forward(
            new Shape(1, 1, 3, g, d, 0.3f),
            kvOf,
            positions[b],
            q.rows(b, 1),
            PagedAttention.gathered(pages, pages.keys(), b, keys),
            PagedAttention.gathered(pages, pages.values(), b, keys),
            want,
            null);
        assertThat(o.rows(b, 1).toFloats()).as("position %d", keys - 1).isEqualTo(want.toFloats());
      }
      for (int offset : new int[] {0, 64, 65, 700}) {
        int tokens = 130;
        Shape piece = new Shape(1, tokens, 3, g, d, 0.3f);
        KvPages own = pages.with(table.rows(3, 1));
        Tensor queries = noise(tokens, 3L * d);
        Tensor got = noise(tokens, 3L * d);
        Tensor want = noise(tokens, 3L * d);
        attention.forwardPaged(piece, kvOf, own, offset, queries, got);
        PagedAttention.forward(attention, piece, kvOf, own, 0, offset, queries, want);
        assertThat(got.toFloats()).as("offset %d", offset).isEqualTo(want.toFloats());
      }
    }
  }

  @Test
  void storedRowsAreFoundAgain() {
    int g = 2;
    int d = 4;
    Tensor k = noise(3, 12).columns(2, 8);
    Tensor v = noise(3, 8);
    Tensor places = Tensor.allocate(Arena.ofAuto(), DType.I32, 3);
    places.copyFrom(new int[] {64 + 5, 3 * 64, 63}, 0, 3);
    Tensor table = Tensor.allocate(Arena.ofAuto(), DType.I32, 3, 1);
    table.copyFrom(new int[] {1, 3, 0}, 0, 3);
    long width = KvPages.elements(g, d);
    KvPages pages = new KvPages(noise(4, width), noise(4, width), g, d, table);
    new ReferenceCausalAttention().store(pages, places, k, v);
    int[] token = {5, 0, 63};
    for (int r = 0; r < 3; r++) {
      Tensor keys = PagedAttention.gathered(pages, pages.keys(), r, BLOCK);
      Tensor values = PagedAttention.gathered(pages, pages.values(), r, BLOCK);
      for (int i = 0; i < 8; i++) {
        long at = ((long) (i / d) * BLOCK + token[r]) * d + i % d;
        assertThat(keys.get(at)).isEqualTo(k.get(r * 8L + i));
        assertThat(values.get(at)).isEqualTo(v.get(r * 8L + i));
      }
    }
  }

  @Test
  void positionsBeyondTheTableAreRefused() {
    Tensor table = Tensor.allocate(Arena.ofAuto(), DType.I32, 1, 1);
    table.setInt(0, 0);
    long width = KvPages.elements(1, 16);
    KvPages pages = new KvPages(noise(1, width), noise(1, width), 1, 16, table);
    Tensor at = Tensor.allocate(Arena.ofAuto(), DType.I32, 1);
    at.setInt(0, BLOCK);
    try (ComputePool team = new ComputePool(1)) {
      CausalAttention attention = new CpuCausalAttention(team);
      Shape s = new Shape(1, 1, 1, 1, 16, 1f);
      int[] one = {0};
      assertThatThrownBy(() -> attention.decodePaged(s, one, pages, at, noise(1, 16), noise(1, 16)))
          .isInstanceOf(IllegalArgumentException.class);
    }
    assertThat(Arrays.equals(pages.keys().shape(), new long[] {1, width})).isTrue();
  }

  private Tensor noise(long... shape) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), shape);
    for (long i = 0; i < t.size(); i++) {
      t.set(i, (float) random.nextGaussian());
    }
    return t;
  }
}
