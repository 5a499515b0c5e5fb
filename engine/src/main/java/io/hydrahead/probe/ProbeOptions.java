package io.hydrahead.probe;

/**
 * Settings of a probe.
 *
 * @param threshold least |IE| in a sub-probe that counts as an effect, for κ and for being a
 *     receiver
 * @param minimumGap least m(x) − m(x′) of a pair that is used
 * @param senderPairs pairs a sub-probe for the sender effect, which costs a forward pass a head and
 *     pair; 0 leaves senders out
 * @param rounds most rounds of path patching
 * @param generalAbility whether the general-ability probe runs
 */
public record ProbeOptions(
    double threshold, double minimumGap, int senderPairs, int rounds, boolean generalAbility) {

  /**
   * |IE| from 0.01 on and a gap of 1, one sender pair, at most two rounds, general ability
   * measured.
   */
  public static final ProbeOptions DEFAULT = new ProbeOptions(0.01, 1.0, 1, 2, true);
}
