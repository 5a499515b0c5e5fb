package io.hydrahead.ops.embedding;

import static io.hydrahead.ops.OpsTesting.assertSameBits;
import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.integers;
import static io.hydrahead.ops.OpsTesting.nan;
import static io.hydrahead.ops.OpsTesting.onEverySize;
import static io.hydrahead.ops.OpsTesting.onEveryTeam;
import static io.hydrahead.ops.OpsTesting.random;
import static io.hydrahead.ops.OpsTesting.zeros;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class EmbeddingTest {
  private static final int VOCABULARY = 11;
  private final Random random = new Random(9);
  private final Embedding reference = new ReferenceEmbedding();

  @Test
  void handValue() {
    Tensor table = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 3, 2);
    Tensor out = nan(2, 2);
    reference.forward(integers(2, 0), table, out);
    assertThat(out.toFloats()).containsExactly(5, 6, 1, 2);
    reference.backward(integers(2, 2), Tensor.of(new float[] {1, 2, 3, 4}, 2, 2), table);
    assertThat(table.toFloats()).containsExactly(1, 2, 3, 4, 9, 12);
  }

  /** Both add in token order, so even the sums are the same bits. */
  @Test
  @Tag("scalar")
  void cpuEqualsReferenceBitwise() {
    onEverySize((n, d) -> {
      Tensor ids = integers(random.ints(n, 0, VOCABULARY).toArray());
      Tensor table = random(random, 1, VOCABULARY, d);
      Tensor dOut = random(random, 1, n, d);
      Tensor out = nan(n, d);
      reference.forward(ids, table, out);
      Tensor dTable = copy(table);
      reference.backward(ids, dOut, dTable);
      onEveryTeam(pool -> {
        String what = "n " + n + ", d " + d + ", threads " + pool.threads();
        Embedding cpu = new CpuEmbedding(pool);
        Tensor outCpu = nan(n, d);
        cpu.forward(ids, table, outCpu);
        assertSameBits(what, outCpu, out);
        Tensor dTableCpu = copy(table);
        cpu.backward(ids, dOut, dTableCpu);
        assertSameBits(what, dTableCpu, dTable);
      });
    });
  }

  @Test
  void sixteenBitTables() {
    for (DType type : new DType[] {DType.BF16, DType.F16}) {
      Tensor table = Tensor.allocate(Arena.ofAuto(), type, VOCABULARY, 33);
      table.copyFrom(random(random, 1, VOCABULARY, 33));
      Tensor ids = integers(3, 10, 0);
      Tensor expected = nan(3, 33);
      reference.forward(ids, table, expected);
      assertThat(expected.get(34)).isEqualTo(table.get(10 * 33 + 1));
      onEveryTeam(pool -> {
        Tensor out = nan(3, 33);
        new CpuEmbedding(pool).forward(ids, table, out);
        assertSameBits(type.toString(), out, expected);
      });
    }
  }

  @Test
  void strangeIdsAreNamed() {
    for (int id : new int[] {-1, 3}) {
      assertThatThrownBy(() -> reference.forward(integers(id), zeros(3, 2), zeros(1, 2)))
          .hasMessageContaining("token id " + id);
    }
  }
}
