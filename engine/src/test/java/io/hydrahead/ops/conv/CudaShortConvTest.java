package io.hydrahead.ops.conv;

import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.nan;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.ops.OpsTesting;
import io.hydrahead.ops.conv.ShortConv.Activation;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CudaShortConvTest extends CudaOpsTesting {
  private final ShortConv reference = new ReferenceShortConv();

  @ParameterizedTest
  @MethodSource("forms")
  void agreesWithTheReference(Form f) {
    for (int batch : new int[] {1, 3}) {
      for (int tokens : new int[] {1, 2, 13, 207}) {
        for (int channels : new int[] {1, 33, 96}) {
          for (int k : new int[] {1, 4}) {
            compare(f, Activation.NONE, batch, tokens, channels, k);
            compare(f, Activation.SILU, batch, tokens, channels, k);
          }
        }
      }
    }
  }

  private void compare(Form f, Activation a, int batch, int tokens, int channels, int k) {
    final String what = f + ", " + a + ", batch " + batch + ", tokens " + tokens + ", k " + k;
    final ShortConv cuda = new CudaShortConv(device(), scratch());
    long rows = (long) batch * tokens;
    final Tensor x = values(f, 1, rows, channels);
    final Tensor w = values(f, 1, channels, k);
    final Tensor dy = values(f, 1, rows, channels);
    final Tensor dw = OpsTesting.random(random, 1, channels, k);
    final Tensor cudaDw = upload(copy(dw));
    final Tensor state = OpsTesting.random(random, 1, batch, k - 1, channels);
    final Tensor cudaState = upload(copy(state));
    Tensor y = nan(rows, channels);
    Tensor dx = nan(rows, channels);
    reference.forward(batch, tokens, x, w, a, state, y);
    reference.backward(batch, tokens, x, w, a, copy(dy), dx, dw);

    final Tensor cudaX = matrix(f, x);
    final Tensor cudaW = upload(w, channels % 2 == 0 ? f.type() : DType.F32);
    Tensor cudaY = unwritten(f, rows, channels);
    cuda.forward(batch, tokens, cudaX, cudaW, a, cudaState, cudaY);
    boolean silu = a == Activation.SILU;
    assertClose(what + " y", cudaY, y, f.stored(silu ? 4e-6 : 1e-6));
    assertClose(what + " state", cudaState, state, 0);
    Tensor cudaDx = unwritten(f, rows, channels);
    cuda.backward(batch, tokens, cudaX, cudaW, a, matrix(f, dy), cudaDx, cudaDw);
    // Behind SiLU the gradient of the sums, which dx and dw add up, is stored as an activation too.
    double twice = silu ? 2.5 * f.stored(8e-6) : f.stored(1e-6);
    assertClose(what + " dx", cudaDx, dx, twice);
    assertClose(what + " dw", cudaDw, dw, silu ? twice : 3e-6);
    step(f, a, batch, channels, k);
  }

  private void step(Form f, Activation a, int batch, int channels, int k) {
    Tensor x = values(f, 1, batch, channels);
    Tensor w = values(f, 1, channels, k);
    Tensor states = OpsTesting.random(random, 1, batch + 1L, (k - 1L) * channels);
    Tensor cudaStates = upload(copy(states));
    int[] order = new int[batch];
    for (int b = 0; b < batch; b++) {
      order[b] = batch - b;
    }
    Tensor slots = OpsTesting.integers(order);
    Tensor y = nan(batch, channels);
    reference.step(x, w, a, slots, states, y);
    Tensor cudaY = unwritten(f, batch, channels);
    Tensor cudaW = upload(w, channels % 2 == 0 ? f.type() : DType.F32);
    new CudaShortConv(device(), scratch())
        .step(matrix(f, x), cudaW, a, upload(slots), cudaStates, cudaY);
    assertClose(f + ", " + a + " step", cudaY, y, f.stored(4e-6));
    assertClose(f + ", " + a + " states", cudaStates, states, 0);
  }
}
