package io.hydrahead.probe;

import io.hydrahead.plan.HeadScores;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a probe found; all matrices are [L][H].
 *
 * @param score mean over capabilities of the min–max normalised scores: larger is more critical
 * @param retrieval max(receiver, sender) · κ: the retrieval capability before normalisation
 * @param receiver mean |IE| as receiver, over sub-probes
 * @param sender mean |IE| as sender, over sub-probes
 * @param kappa share of sub-probes in which |IE| reaches the threshold, as receiver or sender
 * @param general rise in cross-entropy when the head's output is replaced by its mean; null if not
 *     run
 * @param attentionScore retrieval-head score, the baseline
 * @param splitHalf Spearman correlation of the receiver effects from two halves of the pairs
 * @param splitHalfOverlap share of the top eighth of heads on which the two halves agree
 * @param subProbes what became of the pairs
 */
public record ProbeResult(
    double[][] score,
    double[][] retrieval,
    double[][] receiver,
    double[][] sender,
    double[][] kappa,
    double[][] general,
    double[][] attentionScore,
    double splitHalf,
    double splitHalfOverlap,
    List<SubProbe> subProbes) {

  /**
   * What {@code heads.json} holds.
   *
   * @param details further fields, such as the checkpoint and the command
   */
  public HeadScores toHeadScores(Map<String, ?> details) {
    Map<String, double[][]> matrices = new LinkedHashMap<>();
    matrices.put(HeadScores.EFFECT, larger(receiver, sender));
    matrices.put(HeadScores.RECEIVER, receiver);
    matrices.put(HeadScores.SENDER, sender);
    matrices.put(HeadScores.KAPPA, kappa);
    if (general != null) {
      matrices.put(HeadScores.GENERAL, general);
    }
    matrices.put(HeadScores.ATTENTION, attentionScore);
    Map<String, Object> all = new LinkedHashMap<>(details);
    if (Double.isFinite(splitHalf)) {
      all.put("split_half_spearman", splitHalf);
    }
    all.put("split_half_top_overlap", splitHalfOverlap);
    all.put("sub_probes", subProbes);
    return HeadScores.of(score, matrices, all);
  }

  private static double[][] larger(double[][] a, double[][] b) {
    double[][] out = new double[a.length][];
    for (int l = 0; l < a.length; l++) {
      out[l] = new double[a[l].length];
      for (int h = 0; h < a[l].length; h++) {
        out[l][h] = Math.max(a[l][h], b[l][h]);
      }
    }
    return out;
  }

  /** Pairs of a sub-probe that were given, answered rightly, and used (gap wide enough). */
  public record SubProbe(String name, int pairs, int correct, int used, double meanGap) {}
}
