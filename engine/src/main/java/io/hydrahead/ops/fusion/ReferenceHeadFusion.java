package io.hydrahead.ops.fusion;

import io.hydrahead.tensor.Tensor;

/** {@link HeadFusion} as plain loops with float64 sums. */
public final class ReferenceHeadFusion implements HeadFusion {
  @Override
  public void forward(
      Switches s,
      Tensor o,
      Tensor z,
      Tensor bias,
      Tensor gamma,
      int[] heads,
      int headDim,
      Tensor out,
      Tensor rstd) {
    int rows = FusionShape.check(s, o, z, bias, gamma, heads, headDim, out, rstd);
    int h = heads.length;
    for (long r = 0; r < rows; r++) {
      long wide = r * (out.size() / rows);
      for (int j = 0; j < h; j++) {
        long from = (r * h + j) * headDim;
        double scale = 1;
        if (s.norm()) {
          double squares = 0;
          for (int i = 0; i < headDim; i++) {
            double v = o.get(from + i);
            squares += v * v;
          }
          scale = 1 / Math.sqrt(squares / headDim + s.eps());
          if (rstd != null) {
            rstd.set(r * h + j, (float) scale);
          }
        }
        if (s.gamma()) {
          scale *= gamma.get(heads[j]);
        }
        for (int i = 0; i < headDim; i++) {
          double open = s.gate() ? gate(z, bias, from + i, j * headDim + i) : 1;
          out.set(wide + (long) heads[j] * headDim + i, (float) (scale * o.get(from + i) * open));
        }
      }
    }
  }

  /**
   * With ô = o·rstd, s = σ(z + b): dγ = Σ dõ ô s, dz = γ dõ ô s(1−s), dô = γ dõ s, and do = rstd ·
   * (dô − ô · mean(dô ô)).
   */
  @Override
  public void backward(
      Switches s,
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
    int rows =
        FusionShape.checkBackward(
            s, o, z, bias, gamma, heads, headDim, rstd, dOut, dO, dZ, dBias, dGamma);
    int h = heads.length;
    double[] gammaSums = new double[h];
    double[] biasSums = new double[h * headDim];
    double[] dNormed = new double[headDim];
    for (long r = 0; r < rows; r++) {
      long wide = r * (dOut.size() / rows);
      for (int j = 0; j < h; j++) {
        long from = (r * h + j) * headDim;
        double reciprocal = s.norm() ? rstd.get(r * h + j) : 1;
        double scale = s.gamma() ? gamma.get(heads[j]) : 1;
        double projection = 0;
        for (int i = 0; i < headDim; i++) {
          double g = dOut.get(wide + (long) heads[j] * headDim + i);
          double normed = o.get(from + i) * reciprocal;
          double open = s.gate() ? gate(z, bias, from + i, j * headDim + i) : 1;
          gammaSums[j] += g * normed * open;
          if (s.gate()) {
            double dz = scale * g * normed * open * (1 - open);
            biasSums[j * headDim + i] += dz;
            dZ.set(from + i, (float) dz);
          }
          dNormed[i] = scale * g * open;
          projection += dNormed[i] * normed;
        }
        for (int i = 0; i < headDim; i++) {
          double normed = o.get(from + i) * reciprocal;
          double g = s.norm() ? dNormed[i] - normed * projection / headDim : dNormed[i];
          dO.set(from + i, (float) (reciprocal * g));
        }
      }
    }
    if (s.gamma()) {
      for (int j = 0; j < h; j++) {
        dGamma.set(heads[j], (float) (dGamma.get(heads[j]) + gammaSums[j]));
      }
    }
    if (s.gate() && dBias != null) {
      for (int i = 0; i < biasSums.length; i++) {
        dBias.set(i, (float) (dBias.get(i) + biasSums[i]));
      }
    }
  }

  private static double gate(Tensor z, Tensor bias, long index, int column) {
    double x = z.get(index) + (bias == null ? 0.0 : bias.get(column));
    return 1 / (1 + Math.exp(-x));
  }
}
