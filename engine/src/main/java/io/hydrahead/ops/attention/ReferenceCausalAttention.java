package io.hydrahead.ops.attention;

import io.hydrahead.tensor.Tensor;
import java.util.Arrays;

/** {@link CausalAttention} as plain loops in float64. */
public final class ReferenceCausalAttention implements CausalAttention {
  @Override
  public void forward(
      Shape s, int[] kvOf, int offset, Tensor q, Tensor k, Tensor v, Tensor o, Tensor lse) {
    AttentionShape.check(q.dtype(), s, kvOf, offset, q, k, v, o, lse);
    int d = s.headDim();
    int keys = offset + s.queries();
    double[] p = new double[keys];
    for (int b = 0; b < s.batch(); b++) {
      for (int h = 0; h < s.heads(); h++) {
        double[] kd = load(k, s, b, kvOf[h], keys);
        double[] vd = load(v, s, b, kvOf[h], keys);
        double[] qd = load(q, s, b, h, s.queries());
        double[] out = new double[s.queries() * d];
        for (int t = 0; t < s.queries(); t++) {
          int last = offset + t;
          double rowLse = probabilities(s, qd, t, kd, last, p);
          for (int i = 0; i <= last; i++) {
            for (int c = 0; c < d; c++) {
              out[t * d + c] += p[i] * vd[i * d + c];
            }
          }
          if (lse != null) {
            lse.set(((long) b * s.heads() + h) * s.queries() + t, (float) rowLse);
          }
        }
        store(out, o, s, b, h, s.queries());
      }
    }
  }

  /**
   * P_ij = softmax; dV = PᵀdO; dS = P ⊙ (dO Vᵀ − rowsum(P ⊙ dO Vᵀ)); dQ, dK = scale · dS K, dSᵀ Q.
   */
  @Override
  public void backward(
      Shape s,
      int[] kvOf,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor o,
      Tensor lse,
      Tensor dO,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    AttentionShape.check(q.dtype(), s, kvOf, 0, q, k, v, o, lse);
    AttentionShape.check(q.dtype(), s, kvOf, 0, dq, dk, dv, dO, lse);
    int d = s.headDim();
    int n = s.queries();
    double[] p = new double[n];
    double[] dp = new double[n];
    for (int b = 0; b < s.batch(); b++) {
      for (int g = 0; g < s.kvHeads(); g++) {
        double[] kd = load(k, s, b, g, n);
        double[] vd = load(v, s, b, g, n);
        double[] dkSum = new double[n * d];
        double[] dvSum = new double[n * d];
        for (int h = 0; h < s.heads(); h++) {
          if (kvOf[h] != g) {
            continue;
          }
          double[] qd = load(q, s, b, h, n);
          double[] dOut = load(dO, s, b, h, n);
          double[] dQuery = new double[n * d];
          for (int t = 0; t < n; t++) {
            probabilities(s, qd, t, kd, t, p);
            double mean = 0;
            for (int i = 0; i <= t; i++) {
              dp[i] = dot(dOut, t * d, vd, i * d, d);
              mean += p[i] * dp[i];
            }
            for (int i = 0; i <= t; i++) {
              double ds = s.scale() * p[i] * (dp[i] - mean);
              for (int c = 0; c < d; c++) {
                dvSum[i * d + c] += p[i] * dOut[t * d + c];
                dkSum[i * d + c] += ds * qd[t * d + c];
                dQuery[t * d + c] += ds * kd[i * d + c];
              }
            }
          }
          store(dQuery, dq, s, b, h, n);
        }
        store(dkSum, dk, s, b, g, n);
        store(dvSum, dv, s, b, g, n);
      }
    }
  }

  /**
   * Softmax of row t's scaled scores over the visible of keys 0 … last into p, 0 for hidden ones;
   * returns their log-sum-exp.
   */
  private static double probabilities(
      Shape s, double[] q, int t, double[] k, int last, double[] p) {
    int d = s.headDim();
    double max = Double.NEGATIVE_INFINITY;
    for (int i = 0; i <= last; i++) {
      boolean visible = last - i < s.window().size() || i < s.window().sinks();
      p[i] = visible ? s.scale() * dot(q, t * d, k, i * d, d) : Double.NEGATIVE_INFINITY;
      max = Math.max(max, p[i]);
    }
    double sum = 0;
    for (int i = 0; i <= last; i++) {
      p[i] = Math.exp(p[i] - max);
      sum += p[i];
    }
    for (int i = 0; i <= last; i++) {
      p[i] /= sum;
    }
    return max + Math.log(sum);
  }

  private static double dot(double[] a, int aAt, double[] b, int bAt, int n) {
    double sum = 0;
    for (int c = 0; c < n; c++) {
      sum += a[aAt + c] * b[bAt + c];
    }
    return sum;
  }

  private static double[] load(Tensor x, Shape s, int b, int head, int tokens) {
    double[] rows = new double[tokens * s.headDim()];
    Arrays.setAll(rows, i -> x.get(index(x, s, b, head, i)));
    return rows;
  }

  private static void store(double[] rows, Tensor x, Shape s, int b, int head, int tokens) {
    for (int i = 0; i < tokens * s.headDim(); i++) {
      x.set(index(x, s, b, head, i), (float) rows[i]);
    }
  }

  /** Flat index of element i of a head's rows in a cache or in rows [B·T, heads·d]. */
  private static long index(Tensor x, Shape s, int b, int head, int i) {
    int d = s.headDim();
    return AttentionShape.isCache(x)
        ? head * x.dim(1) * d + i
        : (b * (x.dim(0) / s.batch()) + i / d) * x.dim(1) + (long) head * d + i % d;
  }
}
