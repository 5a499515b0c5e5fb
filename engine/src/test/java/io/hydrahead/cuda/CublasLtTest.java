package io.hydrahead.cuda;

import static io.hydrahead.ops.Samples.rounded;
import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.ops.Samples;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CublasLtTest extends CudaTesting {
  private static final int[][] SHAPES = {
    {1, 1, 1}, {3, 5, 7}, {16, 8, 24}, {65, 130, 33}, {128, 256, 64}, {100, 72, 200}
  };

  @Test
  void agreesWithTripleLoops() {
    for (int[] s : SHAPES) {
      for (int transposed = 0; transposed < 4; transposed++) {
        for (DType type : new DType[] {DType.F32, DType.BF16}) {
          for (DType out : new DType[] {DType.F32, DType.BF16}) {
            if (type == DType.BF16 || out == DType.F32) {
              check(s, (transposed & 1) != 0, (transposed & 2) != 0, type, out, 0);
            }
          }
        }
      }
    }
  }

  @Test
  void takesColumnSlices() {
    check(new int[] {40, 48, 64}, false, true, DType.BF16, DType.BF16, 8);
    check(new int[] {40, 48, 64}, false, true, DType.F32, DType.F32, 4);
    check(new int[] {40, 48, 64}, true, false, DType.BF16, DType.F32, 8);
  }

  private void check(int[] s, boolean ta, boolean tb, DType type, DType out, int beside) {
    int m = s[0];
    int n = s[1];
    int k = s[2];
    Random random = new Random(m + n + k);
    Tensor a = rounded(Samples.normal(random, ta ? k : m, ta ? m : k), type);
    Tensor b = rounded(Samples.normal(random, tb ? n : k, tb ? k : n), type);
    Tensor c = rounded(Samples.normal(random, m, n), out);
    Tensor da = uploadWide(a, type, beside, beside);
    Tensor db = uploadWide(b, type, 0, beside);
    for (boolean accumulate : new boolean[] {false, true}) {
      Tensor dc = accumulate ? uploadWide(c, out, beside, 0) : emptyWide(out, m, n, beside, 0);
      for (int call = 0; call < (accumulate ? 1 : 2); call++) { // choose, then take again
        device()
            .blas()
            .multiply(
                ta,
                tb,
                m,
                n,
                k,
                type,
                da.segment(),
                da.rowStride(),
                db.segment(),
                db.rowStride(),
                out,
                dc.segment(),
                dc.rowStride(),
                accumulate);
      }
      Tensor actual = download(dc);
      double error = 0;
      double norm = 0;
      for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
          double sum = accumulate ? c.get((long) i * n + j) : 0;
          for (int p = 0; p < k; p++) {
            float x = ta ? a.get((long) p * m + i) : a.get((long) i * k + p);
            float y = tb ? b.get((long) j * k + p) : b.get((long) p * n + j);
            sum += (double) x * y;
          }
          double d = actual.get((long) i * n + j) - sum;
          error += d * d;
          norm += sum * sum;
        }
      }
      assertThat(Math.sqrt(error / norm))
          .as("[%d, %d, %d] %s %s %s to %s", m, n, k, ta, tb, type, out)
          .isLessThan(out == DType.BF16 ? 4e-3 : 1e-6); // float32, not TF32
    }
  }
}
