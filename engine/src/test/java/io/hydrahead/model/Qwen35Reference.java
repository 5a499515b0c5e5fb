package io.hydrahead.model;

import io.hydrahead.tensor.Tensor;
import java.util.Map;

/**
 * Qwen3.5 in plain loops and float64, straight from a checkpoint's tensors as transformers names
 * and arranges them: what the loader and the fast passes are held against. One text, token by
 * token; [T] rows are arrays of D.
 */
final class Qwen35Reference {
  private final ModelConfig c;
  private final HeadPlan plan;
  private final Map<String, Tensor> tensors;

  Qwen35Reference(ModelConfig c, HeadPlan plan, Map<String, Tensor> tensors) {
    this.c = c;
    this.plan = plan;
    this.tensors = tensors;
  }

  /** Logits [T][V]. */
  double[][] logits(int[] ids) {
    Tensor embedding = tensors.get("model.embed_tokens.weight");
    int width = c.hiddenSize();
    double[][] x = new double[ids.length][width];
    for (int t = 0; t < ids.length; t++) {
      for (int i = 0; i < width; i++) {
        x[t][i] = embedding.get((long) ids[t] * width + i);
      }
    }
    for (int l = 0; l < c.layers(); l++) {
      String p = "model.layers." + l + ".";
      double[][] in = norm(x, p + "input_layernorm.weight");
      double[][] mixed =
          plan.fullHeads(l).length > 0
              ? attention(in, p + "self_attn.")
              : deltaNet(in, p + "linear_attn.");
      add(x, mixed);
      double[][] h = norm(x, p + "post_attention_layernorm.weight");
      double[][] gate = times(h, p + "mlp.gate_proj.weight");
      double[][] up = times(h, p + "mlp.up_proj.weight");
      for (int t = 0; t < h.length; t++) {
        for (int i = 0; i < up[t].length; i++) {
          up[t][i] *= silu(gate[t][i]);
        }
      }
      add(x, times(up, p + "mlp.down_proj.weight"));
    }
    return times(norm(x, "model.norm.weight"), "model.embed_tokens.weight");
  }

  private double[][] attention(double[][] x, String p) {
    int d = c.headDim();
    double[][] both = times(x, p + "q_proj.weight");
    double[][] k = times(x, p + "k_proj.weight");
    double[][] v = times(x, p + "v_proj.weight");
    double[][] out = new double[x.length][c.heads() * d];
    for (int t = 0; t < x.length; t++) {
      for (int g = 0; g < c.kvHeads(); g++) {
        prepare(k[t], g * d, p + "k_norm.weight", t);
      }
    }
    for (int t = 0; t < x.length; t++) {
      for (int h = 0; h < c.heads(); h++) {
        int q = h * 2 * d;
        prepare(both[t], q, p + "q_norm.weight", t);
        int g = h / c.group() * d;
        double[] weights = new double[t + 1];
        double sum = 0;
        for (int s = 0; s <= t; s++) {
          double score = 0;
          for (int i = 0; i < d; i++) {
            score += both[t][q + i] * k[s][g + i];
          }
          weights[s] = Math.exp(score / Math.sqrt(d));
          sum += weights[s];
        }
        for (int i = 0; i < d; i++) {
          double o = 0;
          for (int s = 0; s <= t; s++) {
            o += weights[s] / sum * v[s][g + i];
          }
          out[t][h * d + i] = o * sigmoid(both[t][q + d + i]);
        }
      }
    }
    return times(out, p + "o_proj.weight");
  }

  /** Norm with 1 + w, then the first dims turn. */
  private void prepare(double[] row, int at, String w, int position) {
    int d = c.headDim();
    int turning = (int) (d * c.rotary().partial());
    double r = rstd(row, at, d);
    for (int i = 0; i < d; i++) {
      row[at + i] *= r * (1 + tensors.get(w).get(i));
    }
    for (int i = 0; i < turning / 2; i++) {
      double angle = position * Math.pow(c.rotary().theta(), -2.0 * i / turning);
      double a = row[at + i];
      double b = row[at + turning / 2 + i];
      row[at + i] = a * Math.cos(angle) - b * Math.sin(angle);
      row[at + turning / 2 + i] = b * Math.cos(angle) + a * Math.sin(angle);
    }
  }

  private double[][] deltaNet(double[][] x, String p) {
    DeltaNetConfig n = c.deltaNet();
    int keys = n.keyHeads() * n.keyDim();
    int dk = n.keyDim();
    int dv = n.valueDim();
    double[][] qkv = convolved(times(x, p + "in_proj_qkv.weight"), p + "conv1d.weight");
    double[][] z = times(x, p + "in_proj_z.weight");
    double[][] a = times(x, p + "in_proj_a.weight");
    double[][] b = times(x, p + "in_proj_b.weight");
    double[][] out = new double[x.length][n.valueHeads() * dv];
    for (int h = 0; h < n.valueHeads(); h++) {
      int at = h / (n.valueHeads() / n.keyHeads()) * dk;
      double[][] state = new double[dk][dv];
      for (int t = 0; t < x.length; t++) {
        double[] q = unit(qkv[t], at, dk);
        double[] k = unit(qkv[t], keys + at, dk);
        double rate = Math.exp(tensors.get(p + "A_log").get(h));
        double dt = Math.log1p(Math.exp(a[t][h] + tensors.get(p + "dt_bias").get(h)));
        double decay = Math.exp(-rate * dt);
        double[] o = new double[dv];
        for (int j = 0; j < dv; j++) {
          double known = 0;
          for (int i = 0; i < dk; i++) {
            state[i][j] *= decay;
            known += state[i][j] * k[i];
          }
          double change = (qkv[t][2 * keys + h * dv + j] - known) * sigmoid(b[t][h]);
          for (int i = 0; i < dk; i++) {
            state[i][j] += k[i] * change;
            o[j] += state[i][j] * q[i] / Math.sqrt(dk);
          }
        }
        double r = rstd(o, 0, dv);
        for (int j = 0; j < dv; j++) {
          out[t][h * dv + j] =
              o[j] * r * tensors.get(p + "norm.weight").get(j) * silu(z[t][h * dv + j]);
        }
      }
    }
    return times(out, p + "out_proj.weight");
  }

  private double[][] convolved(double[][] x, String name) {
    Tensor w = tensors.get(name); // [C, 1, k]
    int taps = w.size(2);
    double[][] y = new double[x.length][x[0].length];
    for (int t = 0; t < x.length; t++) {
      for (int i = 0; i < x[t].length; i++) {
        double sum = 0;
        for (int j = Math.max(0, taps - 1 - t); j < taps; j++) {
          sum += w.get((long) i * taps + j) * x[t + j - (taps - 1)][i];
        }
        y[t][i] = silu(sum);
      }
    }
    return y;
  }

  private static double[] unit(double[] row, int at, int d) {
    double squares = 1e-6;
    for (int i = 0; i < d; i++) {
      squares += row[at + i] * row[at + i];
    }
    double[] y = new double[d];
    for (int i = 0; i < d; i++) {
      y[i] = row[at + i] / Math.sqrt(squares);
    }
    return y;
  }

  private double rstd(double[] row, int at, int d) {
    double squares = 0;
    for (int i = 0; i < d; i++) {
      squares += row[at + i] * row[at + i];
    }
    return 1 / Math.sqrt(squares / d + c.rmsNormEps());
  }

  private double[][] norm(double[][] x, String name) {
    Tensor w = tensors.get(name);
    double[][] y = new double[x.length][x[0].length];
    for (int t = 0; t < x.length; t++) {
      double r = rstd(x[t], 0, x[t].length);
      for (int i = 0; i < x[t].length; i++) {
        y[t][i] = x[t][i] * r * (1 + w.get(i));
      }
    }
    return y;
  }

  private double[][] times(double[][] x, String name) {
    Tensor w = tensors.get(name);
    int rows = w.size(0);
    int width = w.size(1);
    double[][] y = new double[x.length][rows];
    for (int t = 0; t < x.length; t++) {
      for (int r = 0; r < rows; r++) {
        for (int i = 0; i < width; i++) {
          y[t][r] += x[t][i] * w.get((long) r * width + i);
        }
      }
    }
    return y;
  }

  private static void add(double[][] x, double[][] y) {
    for (int t = 0; t < x.length; t++) {
      for (int i = 0; i < x[t].length; i++) {
        x[t][i] += y[t][i];
      }
    }
  }

  private static double sigmoid(double v) {
    return 1 / (1 + Math.exp(-v));
  }

  private static double silu(double v) {
    return v * sigmoid(v);
  }
}
