package io.hydrahead.study.stats;

import io.hydrahead.data.Split;
import io.hydrahead.study.eval.CellResult;
import io.hydrahead.study.eval.CellSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Cells of made-up models whose true recall is known. */
public final class SyntheticStudy {
  public static final Roles ROLES =
      new Roles(
          "causal",
          "layer-3-1",
          "layer-5-1",
          "layer-11-1",
          List.of("random-1", "random-2"),
          "vanilla",
          "yarn",
          "all-full",
          "causal",
          List.of("vanilla", "yarn", "all-full", "layer-3-1", "causal", "random-1"),
          List.of("layer-11-1"),
          Map.of(
              "layer-wise, even", List.of("layer-11-1", "layer-5-1", "layer-3-1"),
              "head-wise, probe", List.of("causal")));

  private SyntheticStudy() {}

  /** True recall of an arm on a task at a length. */
  public interface Truth {
    double recall(String arm, String task, int length);
  }

  /** Cells of 3 seeds: 50 haystacks of 8 questions; the haystacks of a seed are equally hard. */
  public static List<CellResult> cells(
      List<String> arms, List<String> tasks, List<Integer> lengths, Truth truth) {
    List<CellResult> out = new ArrayList<>();
    for (int seed = 0; seed < 3; seed++) {
      for (String task : tasks) {
        for (int length : lengths) {
          for (String arm : arms) {
            double p = truth.recall(arm, task, length);
            if (!Double.isNaN(p)) {
              out.add(cell(arm, seed, task, length, p));
            }
          }
        }
      }
    }
    return out;
  }

  private static CellResult cell(String arm, int seed, String task, int length, double p) {
    Random hardness = new Random(31L * seed + task.hashCode() + length);
    Random luck = new Random(arm.hashCode() + hardness.nextLong());
    double[] scores = new double[50];
    for (int i = 0; i < scores.length; i++) {
      double h = hardness.nextGaussian();
      for (int q = 0; q < 8; q++) {
        scores[i] += 0.1 * h + 0.5 * luck.nextGaussian() < quantile(p) ? 1 / 8.0 : 0;
      }
    }
    return new CellResult(
        arm,
        seed,
        new CellSpec(task, length, 50, 8, Split.TEST),
        "0123456789abcdef",
        "hash" + seed + task + length,
        scores,
        scores,
        List.of(),
        new CellResult.Work("nowhere", 1, 50L * length));
  }

  /** Roughly where a normal variable with deviation 0.51 lies below with probability p. */
  private static double quantile(double p) {
    double q = Math.clamp(p, 1e-6, 1 - 1e-6);
    return 0.51 * Math.log(q / (1 - q)) / 1.702;
  }

  /** Losses by position of some arms. */
  public static CellResult perplexity(String arm, int seed, double loss) {
    return new CellResult(
        arm,
        seed,
        new CellSpec(CellSpec.PERPLEXITY, 1024, 2, 0, Split.TEST),
        "0123456789abcdef",
        "hash" + seed,
        new double[] {loss, loss + 0.1},
        new double[0],
        List.of(
            new CellResult.Bucket(0, 256, new double[] {loss + 1, loss + 1}),
            new CellResult.Bucket(256, 512, new double[] {loss + 0.2, loss}),
            new CellResult.Bucket(512, 1023, new double[] {loss, loss})),
        new CellResult.Work("nowhere", 1, 2048));
  }
}
