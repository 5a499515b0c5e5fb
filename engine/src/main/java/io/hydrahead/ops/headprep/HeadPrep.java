package io.hydrahead.ops.headprep;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/**
 * What happens to the queries, or to the keys, of one kind of heads between projection and mixing,
 * a head at a time: RMSNorm with weight, then rotary embedding, then L2 norm, then a scale by
 * position; the last three are optional. N = B·T rows, h heads, d head dim.
 *
 * <p>x, y and their gradients [N, h·d] may be column slices; reciprocals are float32.
 */
public interface HeadPrep {
  /**
   * @param tokens T: row r stands at position r mod T of the rotary tables and scales
   * @param normEps of the RMSNorm
   * @param l2Eps of the L2 norm; 0 for none
   */
  record Shape(int tokens, int heads, int headDim, float normEps, float l2Eps) {
    /** Whether heads end with an L2 norm. */
    public boolean l2() {
      return l2Eps > 0;
    }
  }

  /**
   * Tables that depend on the position alone; each may be absent.
   *
   * @param cos [T, d/2], or null for no rotary embedding
   * @param sin [T, d/2], or null
   * @param scale s_t of each position, [T], or null for 1
   */
  record Tables(Tensor cos, Tensor sin, Tensor scale) {
    /** Nothing depends on the position. */
    public static final Tables NONE = new Tables(null, null, null);
  }

  /**
   * Fills s_t = log_a(p + a) at the 1-based positions p = position + t + 1 of the rows t (HypeNet,
   * arXiv:2601.22156).
   *
   * @param position of the first row, [1] I32 in the operations' memory, or of every row, [T]
   * @param base a
   * @param scale [T] float32
   */
  default void lengthScale(Tensor position, double base, Tensor scale) {
    boolean each = TensorChecks.eachHasPosition(position, scale.size());
    int start = position.getInt(0);
    for (int t = 0; t < scale.size(); t++) {
      int p = each ? position.getInt(t) : start + t;
      scale.set(t, (float) (Math.log(p + 1 + base) / Math.log(base)));
    }
  }

  /**
   * y from x; y may be x only where no backward pass follows.
   *
   * @param w of the RMSNorm, [d]
   * @param rstd reciprocal roots of the RMSNorm, [N·h], for the backward pass; null when there is
   *     none
   * @param rnorm reciprocal L2 norms, [N·h]; null when there is no backward pass or no L2 norm
   */
  void forward(Shape s, Tensor x, Tensor w, Tables t, Tensor y, Tensor rstd, Tensor rnorm);

  /**
   * Assigns dx from dy; dw [d] accumulates. Without scale by position: that is for inference only.
   *
   * @param x input and {@code y} output of the forward pass
   * @param dy is scratch afterwards, and may be the memory of dx
   */
  void backward(
      Shape s,
      Tensor x,
      Tensor w,
      Tables t,
      Tensor y,
      Tensor rstd,
      Tensor rnorm,
      Tensor dy,
      Tensor dx,
      Tensor dw);
}
