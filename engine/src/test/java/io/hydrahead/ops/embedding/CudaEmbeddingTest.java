package io.hydrahead.ops.embedding;

import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.integers;
import static io.hydrahead.ops.OpsTesting.nan;
import static io.hydrahead.ops.Samples.rounded;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.ops.OpsTesting;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CudaEmbeddingTest extends CudaOpsTesting {
  private final Embedding reference = new ReferenceEmbedding();

  @ParameterizedTest
  @MethodSource("forms")
  void agreesWithTheReference(Form f) {
    for (int n : new int[] {1, 207, 3000}) {
      for (int d : new int[] {1, 33, 384}) {
        for (int vocabulary : new int[] {1, 11, 70_000}) {
          if ((long) vocabulary * d + (long) n * d < 120_000) {
            compare(f, n, d, vocabulary);
          }
        }
      }
    }
  }

  private void compare(Form f, int n, int d, int vocabulary) {
    final String what = f + ", n " + n + ", d " + d + ", vocabulary " + vocabulary;
    final Embedding cuda = new CudaEmbedding(device(), scratch());
    int[] ids = new int[n]; // a third of the tokens are the same: long runs
    for (int i = 0; i < n; i++) {
      ids[i] = random.nextInt(3) == 0 ? vocabulary / 2 : random.nextInt(vocabulary);
    }
    final Tensor table = values(f, 1, vocabulary, d);
    final Tensor dOut = values(f, 1, n, d);
    final Tensor dTable = OpsTesting.random(random, 1, vocabulary, d);
    final Tensor cudaDTable = upload(dTable);
    final Tensor again = upload(dTable);
    Tensor out = nan(n, d);
    reference.forward(integers(ids), table, out);
    reference.backward(integers(ids), dOut, dTable);

    final Tensor cudaIds = upload(integers(ids));
    Tensor cudaOut = unwritten(f, n, d);
    cuda.forward(cudaIds, upload(table, f.type()), cudaOut);
    assertClose(what + " out", cudaOut, out, 0);
    Tensor cudaDOut = matrix(f, dOut);
    cuda.backward(cudaIds, cudaDOut, cudaDTable);
    assertClose(what + " dTable", cudaDTable, dTable, 3e-6);
    cuda.backward(cudaIds, cudaDOut, again);
    assertSameBits(what + " dTable again", again, cudaDTable);
  }

  @Test
  void floatTableToBf16Rows() {
    Tensor table = OpsTesting.random(random, 1, 11, 40);
    Tensor out = empty(DType.BF16, 3, 40);
    Tensor ids = integers(3, 10, 0);
    new CudaEmbedding(device(), scratch()).forward(upload(ids), upload(table), out);
    Tensor expected = nan(3, 40);
    reference.forward(ids, copy(table), expected);
    assertClose("bf16 rows", out, rounded(expected, DType.BF16), 0);
  }
}
