package io.hydrahead.probe;

import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.IntStream;

/** Statistics on matrices of head scores. */
final class Stability {
  private Stability() {}

  /** Scaled to [0, 1]; all zeros if all values are equal. */
  static double[][] minMax(double[][] m) {
    double min = Arrays.stream(m).flatMapToDouble(Arrays::stream).min().orElse(0);
    double max = Arrays.stream(m).flatMapToDouble(Arrays::stream).max().orElse(0);
    return Arrays.stream(m)
        .map(row -> Arrays.stream(row).map(v -> max == min ? 0 : (v - min) / (max - min)).toArray())
        .toArray(double[][]::new);
  }

  /** Spearman rank correlation over all cells, ties at their mean rank; NaN for constant input. */
  static double spearman(double[][] a, double[][] b) {
    double[] x = ranks(flat(a));
    double[] y = ranks(flat(b));
    double mx = Arrays.stream(x).average().orElse(0);
    double my = Arrays.stream(y).average().orElse(0);
    double xy = 0;
    double xx = 0;
    double yy = 0;
    for (int i = 0; i < x.length; i++) {
      xy += (x[i] - mx) * (y[i] - my);
      xx += (x[i] - mx) * (x[i] - mx);
      yy += (y[i] - my) * (y[i] - my);
    }
    return xy / Math.sqrt(xx * yy);
  }

  /** Share of the {@code k} highest cells that both have among theirs. */
  static double topOverlap(double[][] a, double[][] b, int k) {
    Set<Integer> top = new HashSet<>(Arrays.stream(order(flat(a))).limit(k).boxed().toList());
    long both = Arrays.stream(order(flat(b))).limit(k).filter(top::contains).count();
    return both / (double) k;
  }

  private static double[] flat(double[][] m) {
    return Arrays.stream(m).flatMapToDouble(Arrays::stream).toArray();
  }

  private static int[] order(double[] v) {
    return IntStream.range(0, v.length)
        .boxed()
        .sorted(Comparator.comparingDouble((Integer i) -> -v[i]))
        .mapToInt(i -> i)
        .toArray();
  }

  private static double[] ranks(double[] v) {
    int[] order = order(v);
    double[] rank = new double[v.length];
    for (int i = 0; i < order.length; ) {
      int j = i;
      while (j < order.length && v[order[j]] == v[order[i]]) {
        j++;
      }
      for (int t = i; t < j; t++) {
        rank[order[t]] = (i + j - 1) / 2.0;
      }
      i = j;
    }
    return rank;
  }
}
