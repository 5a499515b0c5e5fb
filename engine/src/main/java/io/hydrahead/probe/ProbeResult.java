package io.hydrahead.probe;

import java.util.List;

/**
 * What a probe found; all matrices are [L][H].
 *
 * @param score mean over capabilities of the min–max normalised scores: larger is more critical
 * @param retrieval max(receiver, sender) · κ: the retrieval capability before normalisation
 * @param receiver mean |IE| as receiver, over sub-probes
 * @param sender mean |IE| as sender, over sub-probes
 * @param kappa share of sub-probes in which |IE| reaches the threshold, as receiver or sender
 * @param general rise in cross-entropy when the head's output is replaced by its mean; null if not run
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

  /** Pairs of a sub-probe that were given, answered rightly, and used (gap wide enough). */
  public record SubProbe(String name, int pairs, int correct, int used, double meanGap) {}
}
