package io.hydrahead.ops.deltarule;

import io.hydrahead.tensor.Tensor;
import java.util.Arrays;

/**
 * {@link GatedDeltaRule} as the recurrence itself, token by token in float64; backward runs it in
 * reverse. {@code saved} is the initial state.
 *
 * <p>With D = e^g S_{t−1} and u = v − Dᵀk a step is S_t = D + β k uᵀ.
 */
public final class ReferenceGatedDeltaRule implements GatedDeltaRule {
  @Override
  public long savedFloats(Shape s) {
    return (long) s.batch() * s.heads() * s.keyDim() * s.valueDim();
  }

  @Override
  public void forward(Shape s, Inputs in, int start, Tensor state, Tensor out, Tensor saved) {
    DeltaRuleShape.check(s, in, state, out);
    if (saved != null) {
      DeltaRuleShape.exactly("saved", saved, savedFloats(s));
      saved.copyFrom(state);
    }
    for (int b = 0; b < s.batch(); b++) {
      for (int h = 0; h < s.heads(); h++) {
        new Head(s, in, b, h).forward(state, out);
      }
    }
  }

  @Override
  public void step(Shape s, Inputs in, Tensor state, Tensor out) {
    if (s.tokens() != 1) {
      throw new IllegalArgumentException("a step takes one token, not " + s.tokens());
    }
    forward(s, in, 0, state, out, null);
  }

  @Override
  public void backward(Shape s, Inputs in, Tensor saved, Tensor dOut, Tensor dState, Inputs grads) {
    DeltaRuleShape.check(s, in, dState, dOut);
    DeltaRuleShape.check(s, grads, dState, dOut);
    for (int b = 0; b < s.batch(); b++) {
      for (int h = 0; h < s.heads(); h++) {
        new Head(s, in, b, h).backward(saved, dOut, dState, grads);
      }
    }
  }

  /** One head of one sequence, widened to float64. */
  private static final class Head {
    private final int tokens;
    private final int keyDim;
    private final int valueDim;
    private final double norm;
    private final long firstRow;
    private final int rowStep;
    private final long stateAt;
    private final double[] q;
    private final double[] k;
    private final double[] v;
    private final double[] g;
    private final double[] beta;
    private final double[] u;

    Head(Shape s, Inputs in, int b, int h) {
      tokens = s.tokens();
      keyDim = s.keyDim();
      valueDim = s.valueDim();
      norm = 1 / Math.sqrt(keyDim);
      firstRow = (long) b * tokens * s.heads() + h;
      rowStep = s.heads();
      stateAt = ((long) b * s.heads() + h) * keyDim * valueDim;
      q = load(in.q(), keyDim);
      k = load(in.k(), keyDim);
      v = load(in.v(), valueDim);
      g = load(in.g(), 1);
      beta = load(in.beta(), 1);
      u = new double[valueDim];
    }

    void forward(Tensor state, Tensor out) {
      double[] s = loadState(state);
      double[] o = new double[tokens * valueDim];
      for (int t = 0; t < tokens; t++) {
        decay(s, t);
        write(s, t);
        for (int i = 0; i < keyDim; i++) {
          for (int j = 0; j < valueDim; j++) {
            o[t * valueDim + j] += norm * s[i * valueDim + j] * q[t * keyDim + i];
          }
        }
      }
      store(o, out, valueDim);
      storeState(s, state);
    }

    private void decay(double[] s, int t) {
      double alpha = Math.exp(g[t]);
      for (int i = 0; i < s.length; i++) {
        s[i] *= alpha;
      }
    }

    /** S ← D + β k uᵀ, leaving u. */
    private void write(double[] s, int t) {
      for (int j = 0; j < valueDim; j++) {
        u[j] = v[t * valueDim + j];
        for (int i = 0; i < keyDim; i++) {
          u[j] -= s[i * valueDim + j] * k[t * keyDim + i];
        }
      }
      for (int i = 0; i < keyDim; i++) {
        for (int j = 0; j < valueDim; j++) {
          s[i * valueDim + j] += beta[t] * k[t * keyDim + i] * u[j];
        }
      }
    }

    void backward(Tensor saved, Tensor dOut, Tensor dState, Inputs grads) {
      int blocks = (tokens + CHUNK - 1) / CHUNK;
      double[][] blockStates = new double[blocks][];
      double[] s = loadState(saved);
      for (int t = 0; t < tokens; t++) {
        if (t % CHUNK == 0) {
          blockStates[t / CHUNK] = s.clone();
        }
        decay(s, t);
        write(s, t);
      }
      Gradients d = new Gradients(load(dOut, valueDim), loadState(dState));
      double[][] before = new double[CHUNK][];
      for (int block = blocks - 1; block >= 0; block--) {
        int from = block * CHUNK;
        int to = Math.min(tokens, from + CHUNK);
        s = blockStates[block];
        for (int t = from; t < to; t++) {
          before[t - from] = s.clone();
          decay(s, t);
          write(s, t);
        }
        for (int t = to - 1; t >= from; t--) {
          d.step(before[t - from], t);
        }
      }
      store(d.dq, grads.q(), keyDim);
      store(d.dk, grads.k(), keyDim);
      store(d.dv, grads.v(), valueDim);
      store(d.dg, grads.g(), 1);
      store(d.dBeta, grads.beta(), 1);
      storeState(d.ds, dState);
    }

    private final class Gradients {
      final double[] dOut;
      final double[] ds;
      final double[] dq = new double[q.length];
      final double[] dk = new double[k.length];
      final double[] dv = new double[v.length];
      final double[] dg = new double[tokens];
      final double[] dBeta = new double[tokens];

      Gradients(double[] dOut, double[] dState) {
        this.dOut = dOut;
        this.ds = dState;
      }

      /** From the gradient of S_t to that of S_{t−1}, which is {@code previous}. */
      void step(double[] previous, int t) {
        double[] decayed = previous.clone();
        decay(decayed, t);
        double[] s = decayed.clone();
        write(s, t);
        double[] du = new double[valueDim];
        for (int i = 0; i < keyDim; i++) {
          int ki = t * keyDim + i;
          for (int j = 0; j < valueDim; j++) {
            int at = i * valueDim + j;
            int vj = t * valueDim + j;
            dq[ki] += norm * s[at] * dOut[vj];
            ds[at] += norm * q[ki] * dOut[vj];
            du[j] += beta[t] * k[ki] * ds[at];
            dBeta[t] += k[ki] * ds[at] * u[j];
            dk[ki] += beta[t] * ds[at] * u[j];
          }
        }
        double alpha = Math.exp(g[t]);
        for (int i = 0; i < keyDim; i++) {
          int ki = t * keyDim + i;
          for (int j = 0; j < valueDim; j++) {
            int at = i * valueDim + j;
            dk[ki] -= decayed[at] * du[j];
            double dDecayed = ds[at] - k[ki] * du[j];
            dg[t] += dDecayed * decayed[at];
            ds[at] = alpha * dDecayed;
          }
        }
        System.arraycopy(du, 0, dv, t * valueDim, valueDim);
      }
    }

    private long index(int i, int width) {
      return (firstRow + (long) (i / width) * rowStep) * width + i % width;
    }

    private double[] load(Tensor x, int width) {
      double[] rows = new double[tokens * width];
      Arrays.setAll(rows, i -> x.get(index(i, width)));
      return rows;
    }

    private void store(double[] rows, Tensor x, int width) {
      for (int i = 0; i < rows.length; i++) {
        x.set(index(i, width), (float) rows[i]);
      }
    }

    private double[] loadState(Tensor x) {
      double[] s = new double[keyDim * valueDim];
      Arrays.setAll(s, i -> x.get(stateAt + i));
      return s;
    }

    private void storeState(double[] s, Tensor x) {
      for (int i = 0; i < s.length; i++) {
        x.set(stateAt + i, (float) s[i]);
      }
    }
  }
}
