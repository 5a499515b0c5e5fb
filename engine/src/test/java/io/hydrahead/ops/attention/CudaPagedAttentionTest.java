package io.hydrahead.ops.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.cuda.CudaTesting;
import io.hydrahead.model.GoldenCheck;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Attention over the blocks of a pool on a GPU against plain loops. */
@Tag("gpu")
class CudaPagedAttentionTest extends CudaTesting {
  private static final int MOST = 40;

  private final Random random = new Random(3);

  @ParameterizedTest(name = "{0}, d {1}, {2} KV heads, {3} heads")
  @CsvSource({
    "F32, 16, 1, 3, 1e-5",
    "F32, 20, 2, 5, 1e-5",
    "F32, 128, 1, 2, 1e-5",
    "BF16, 16, 2, 3, 2e-2",
    "BF16, 32, 1, 2, 2e-2",
    "BF16, 128, 1, 2, 2e-2",
    "BF16, 128, 2, 9, 2e-2",
    "BF16, 256, 1, 4, 2e-2"
  })
  void decodesAndReads(DType type, int d, int g, int heads, double tolerance) {
    int[] positions = {0, 63, 64, 1500, 200, 2559, 1024};
    int n = positions.length;
    int[] kvOf = random.ints(heads, 0, g).toArray();
    long width = KvPages.elements(g, d);
    Tensor table = Tensor.allocate(Arena.ofAuto(), DType.I32, n, MOST);
    int[] order = random.ints(0, n * MOST).distinct().limit(n * MOST).toArray();
    table.copyFrom(order, 0, order.length);
    Tensor keys = noise(type, n * MOST, width);
    Tensor values = noise(type, n * MOST, width);
    KvPages here = new KvPages(keys, values, g, d, table);
    // On the device the two are columns of a wider pool.
    Tensor there = empty(type, n * MOST, 2 * width + 64);
    Tensor deviceKeys = there.columns(64, width);
    Tensor deviceValues = there.columns(64 + width, width);
    deviceKeys.copyFrom(upload(keys, type));
    deviceValues.copyFrom(upload(values, type));
    Tensor deviceTable = empty(DType.I32, n, MOST);
    deviceTable.copyFrom(table);
    KvPages pages = new KvPages(deviceKeys, deviceValues, g, d, deviceTable);
    Tensor at = Tensor.allocate(Arena.ofAuto(), DType.I32, n);
    at.copyFrom(positions, 0, n);
    Tensor deviceAt = empty(DType.I32, n);
    deviceAt.copyFrom(at);
    Tensor q = noise(type, n, (long) heads * d);
    Shape s = new Shape(n, 1, heads, g, d, 0.2f);
    Shape piece = new Shape(1, 70, heads, g, d, 0.2f);
    CausalAttention reference = new ReferenceCausalAttention();
    try (CudaScratch scratch = new CudaScratch(device());
        CudaCausalAttention attention = new CudaCausalAttention(device(), scratch, false)) {
      Tensor want =
          Tensor.allocate(Tensor.of(new float[1], 1).memory(), Arena.ofAuto(), type, q.shape());
      reference.decodePaged(s, kvOf, here, at, q, want);
      for (int again = 0; again < 2; again++) {
        Tensor o = empty(type, n, (long) heads * d);
        attention.decodePaged(s, kvOf, pages, deviceAt, upload(q, type), o);
        for (int b = 0; b < n; b++) {
          assertThat(GoldenCheck.relativeL2(download(o).rows(b, 1), want.rows(b, 1)))
              .as("position %d", positions[b])
              .isLessThan(tolerance);
        }
      }
      Tensor k = noise(type, 2, (long) g * d);
      Tensor places = Tensor.allocate(Arena.ofAuto(), DType.I32, 2);
      places.copyFrom(new int[] {order[3 * MOST + 1] * 64 + 5, order[3 * MOST] * 64 + 63}, 0, 2);
      Tensor devicePlaces = empty(DType.I32, 2);
      devicePlaces.copyFrom(places);
      reference.store(here, places, k, k);
      attention.store(pages, devicePlaces, uploadWide(k, type, 8, 8), upload(k, type));
      Tensor queries = noise(type, 70, (long) heads * d);
      for (int offset : new int[] {0, 65, 1000}) {
        Tensor wanted = Tensor.allocate(q.memory(), Arena.ofAuto(), type, queries.shape());
        reference.forwardPaged(piece, kvOf, here.with(table.rows(3, 1)), offset, queries, wanted);
        Tensor o = empty(type, queries.shape());
        attention.forwardPaged(
            piece, kvOf, pages.with(deviceTable.rows(3, 1)), offset, upload(queries, type), o);
        assertThat(GoldenCheck.relativeL2(download(o), wanted))
            .as("from %d", offset)
            .isLessThan(tolerance);
      }
    }
  }

  private Tensor noise(DType type, long... shape) {
    Tensor t = Tensor.allocate(io.hydrahead.tensor.Memory.HOST, Arena.ofAuto(), type, shape);
    for (long i = 0; i < t.size(); i++) {
      t.set(i, (float) random.nextGaussian());
    }
    return t;
  }
}
