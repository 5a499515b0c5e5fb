package io.hydrahead.ops.fusion;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** Argument checks that every backend of {@link HeadFusion} shares. */
final class FusionShape {
  private FusionShape() {}

  /**
   * Returns the number of rows N; {@code wide} is the [N, H·d] side, {@code o} the [N, h·d] one.
   */
  static int check(
      HeadFusion.Switches s,
      Tensor o,
      Tensor z,
      Tensor bias,
      Tensor gamma,
      int[] heads,
      int headDim,
      Tensor wide,
      Tensor rstd) {
    long row = (long) heads.length * headDim;
    long rows = row == 0 ? 0 : o.size() / row;
    TensorChecks.activations("o", o, rows * row);
    if (s.gate()) {
      TensorChecks.same("z", z, o.size(), o);
      TensorChecks.floatsOrNull("bias", bias, row);
    }
    int all = rows == 0 || headDim == 0 ? 0 : Math.toIntExact(wide.size() / rows / headDim);
    TensorChecks.same("the layer's side", wide, rows * all * headDim, o);
    for (int head : heads) {
      if (head < 0 || rows > 0 && head >= all) {
        throw new IllegalArgumentException("head " + head + " of a layer with " + all + " heads");
      }
      if (s.gamma() && head >= gamma.size()) {
        throw new IllegalArgumentException("γ has no entry for head " + head + ": " + gamma);
      }
    }
    if (s.gamma()) {
      TensorChecks.floats("gamma", gamma, gamma.size());
    }
    if (s.norm()) {
      TensorChecks.floatsOrNull("rstd", rstd, rows * heads.length);
    }
    return Math.toIntExact(rows);
  }

  static int checkBackward(
      HeadFusion.Switches s,
      Tensor o,
      Tensor z,
      Tensor bias,
      Tensor gamma,
      int[] heads,
      int headDim,
      Tensor rstd,
      Tensor dOut,
      Tensor dO,
      Tensor dZ,
      Tensor dBias,
      Tensor dGamma) {
    int rows = check(s, o, z, bias, gamma, heads, headDim, dOut, rstd);
    if (s.norm()) {
      TensorChecks.floats("rstd", rstd, (long) rows * heads.length);
    }
    TensorChecks.same("dO", dO, o.size(), o);
    if (s.gate()) {
      TensorChecks.same("dZ", dZ, o.size(), o);
      TensorChecks.floatsOrNull("dBias", dBias, (long) heads.length * headDim);
    }
    if (s.gamma()) {
      TensorChecks.floats("dGamma", dGamma, gamma.size());
    }
    return rows;
  }
}
