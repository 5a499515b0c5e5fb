package io.hydrahead.ops.optim;

import io.hydrahead.tensor.Tensor;

/**
 * Vector operations on whole parameters, gradients and activations. Parameters, gradients and
 * moments are float32; what says so takes activations of the operations' own type too.
 */
public interface Optim {
  /**
   * What does not change from step to step.
   *
   * @param weightDecay decoupled decay λ
   * @param clip largest global gradient norm; 0 is off
   */
  record Rule(float beta1, float beta2, float eps, float weightDecay, double clip) {
    /**
     * Sets what does change, float32 [3]: lr, lr / (1 − β₁ᵗ) and 1 / √(1 − β₂ᵗ).
     *
     * @param step t, counts from 1
     */
    public void rates(float lr, int step, Tensor rates) {
      if (step < 1) {
        throw new IllegalArgumentException("AdamW counts steps from 1, not " + step);
      }
      rates.copyFrom(
          new float[] {
            lr,
            (float) (lr / (1 - Math.pow(beta1, step))),
            (float) (1 / Math.sqrt(1 - Math.pow(beta2, step)))
          });
    }

    /** Factor of gradients whose squares sum up to {@code squares}: 1, or less when clipped. */
    float gradScale(double squares) {
      double norm = Math.sqrt(squares);
      return clip > 0 && norm > clip ? (float) (clip / norm) : 1f;
    }
  }

  /**
   * AdamW (Loshchilov and Hutter, arXiv:1711.05101) in place: p ← (1 − lr λ) p − rate · m / (√v ·
   * root + eps), with the moments of the clipped gradient. All numbers that change are read from
   * the operations' memory. Nothing happens when {@code squares} is not finite.
   *
   * @param working where the new parameters are rounded to as well, BF16 of the same size; or null
   * @param rates as {@link Rule#rates} sets them
   * @param squares Σ g² of all gradients that are clipped together, [1] F64
   */
  void adamW(
      Rule rule,
      Tensor param,
      Tensor grad,
      Tensor m,
      Tensor v,
      Tensor working,
      Tensor rates,
      Tensor squares);

  /**
   * sum += Σ x² in float64 over a fixed number of slices: the same bits whatever the thread count.
   * x may be an activation.
   *
   * @param sum [1] F64
   */
  void addSquares(Tensor x, Tensor sum);

  /**
   * An error and its gradient: sum += factor · ‖x − y‖² / norm and dx = 2 · factor / norm · (x −
   * y). All may be activations.
   *
   * @param factor [1] F64
   * @param norm [1] F64
   * @param dx assigned; not the memory of x or y
   * @param sum [1] F64
   */
  void squaredError(Tensor x, Tensor y, Tensor factor, Tensor norm, Tensor dx, Tensor sum);

  /** y += alpha · x; both may be activations. */
  void axpy(float alpha, Tensor x, Tensor y);

  /** out = x + y; out may be the memory of neither. All may be activations. */
  default void sum(Tensor x, Tensor y, Tensor out) {
    out.copyFrom(x);
    axpy(1f, y, out);
  }

  /** Copies with rounding or widening between F32 and BF16. */
  default void convert(Tensor from, Tensor to) {
    to.copyFrom(from);
  }
}
