package io.hydrahead.ops.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.cuda.CudaTesting;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The likeliest and the very likeliest tokens on a GPU against plain loops. */
@Tag("gpu")
class CudaLikelyTokensTest extends CudaTesting {
  private static final int ROWS = 7;

  private LikelyTokens room(boolean there) {
    return new LikelyTokens(
        tensor(there, DType.I32, ROWS),
        tensor(there, DType.F32, ROWS, 2),
        tensor(there, DType.I32, ROWS, LikelyTokens.MOST),
        tensor(there, DType.F32, ROWS, LikelyTokens.MOST));
  }

  private Tensor tensor(boolean there, DType type, long... shape) {
    return there
        ? empty(type, shape)
        : Tensor.allocate(io.hydrahead.tensor.Memory.HOST, Arena.ofAuto(), type, shape);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 33, 1000, 151_936})
  void sameAsInPlainLoops(int vocabulary) {
    Random random = new Random(vocabulary);
    Tensor logits = Tensor.allocate(Arena.ofAuto(), ROWS, vocabulary);
    for (long i = 0; i < logits.size(); i++) {
      logits.set(i, (float) ((1 + i / vocabulary) * random.nextGaussian()));
    }
    logits.rows(5, 1).fill(1f);
    logits.rows(6, 1).fill(Float.NaN);
    logits.set(0, Float.NEGATIVE_INFINITY);
    Tensor temperatures = Tensor.allocate(Arena.ofAuto(), ROWS);
    for (int r = 0; r < ROWS; r++) {
      temperatures.set(r, 0.5f + 0.3f * r);
    }
    LikelyTokens want = room(false);
    new ReferenceTokenLoss().likely(logits, temperatures, want);
    try (CudaScratch scratch = new CudaScratch(device())) {
      CudaTokenLoss loss = new CudaTokenLoss(device(), scratch);
      LikelyTokens got = room(true);
      Tensor there = upload(logits);
      loss.likely(there, upload(temperatures), got);
      Tensor best = empty(DType.I32, ROWS);
      loss.best(there, best);
      Tensor bestWanted = tensor(false, DType.I32, ROWS);
      new ReferenceTokenLoss().best(logits, bestWanted);
      for (int r = 0; r < ROWS; r++) {
        assertThat(best.getInt(r)).isEqualTo(bestWanted.getInt(r));
        int count = want.counts().getInt(r);
        assertThat(got.counts().getInt(r)).as("row %d", r).isEqualTo(count);
        if (count > 0) {
          float total = want.stats().get(2L * r + 1);
          assertThat(got.stats().get(2L * r)).isEqualTo(want.stats().get(2L * r));
          assertThat(got.stats().get(2L * r + 1)).isCloseTo(total, within(1e-4f * total));
          assertThat(pairs(got, r, count)).isEqualTo(pairs(want, r, count));
        }
      }
    }
  }

  private static Map<Integer, Float> pairs(LikelyTokens t, int row, int count) {
    Tensor ids = t.ids().onHost();
    Tensor values = t.values().onHost();
    Map<Integer, Float> out = new HashMap<>();
    for (int i = 0; i < count; i++) {
      long at = (long) row * LikelyTokens.MOST + i;
      out.put(ids.getInt(at), values.get(at));
    }
    return out;
  }
}
