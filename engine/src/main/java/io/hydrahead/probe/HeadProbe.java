package io.hydrahead.probe;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Finds the retrieval-critical heads by causal intervention (HydraHead, arXiv:2606.20097). L
 * layers, H heads; x a prompt, x′ the same with another value in its needle.
 *
 * <ul>
 *   <li>Readout: m(x) = Σ_j λ^j (z_j[a⁺_j] − z_j[a⁻_j]) / Σ_j λ^j, λ = 0.9: logits of the true
 *       answer's tokens minus those of the other value, the true answer read along.
 *   <li>Receiver effect: IE(l,h) = [m(x) − m(x; o_{l,h} ← o_{l,h}(x′))] / [m(x) − m(x′)], attention
 *       outputs of later layers frozen at their clean values.
 *   <li>Sender effect, by path patching: the same for a head whose output is replaced, while only
 *       heads with an effect of at least the threshold, in later layers, compute again; repeated
 *       with the heads so found until there are no more, or the rounds are over.
 *   <li>κ: share of sub-probes whose mean IE, as receiver or else as sender, is at least the
 *       threshold, whatever its sign.
 *   <li>General ability: rise in cross-entropy on plain text, nats a token, when a head's output is
 *       replaced by its mean.
 *   <li>Score: mean of the min–max normalised max(receiver, sender) · κ and general ability.
 * </ul>
 *
 * Pairs that the model answers wrongly, or with m(x) − m(x′) below the minimum, are left out.
 */
public final class HeadProbe {
  private final HybridTransformer model;
  private final ModelConfig config;
  private final ProbeOptions options;
  private final Progress progress;

  /** One sub-probe's effects while they add up. */
  private static final class Tally {
    final String name;
    final List<CounterfactualPair> usable = new ArrayList<>();
    final List<double[][]> effects = new ArrayList<>();
    int pairs;
    int correct;
    double gaps;

    Tally(String name) {
      this.name = name;
    }
  }

  /**
   * @param model stays the caller's to close
   */
  public HeadProbe(HybridTransformer model, ProbeOptions options, Progress progress) {
    this.model = model;
    this.config = model.config();
    this.options = options;
    this.progress = progress;
  }

  /**
   * Probes all heads. It takes two forward passes a pair, the later layers once more for each head
   * on the answer's rows, and for each sender pair and round a forward pass of the later layers for
   * each head.
   *
   * @param pairs by sub-probe
   * @param plainTexts texts of equal length for the general-ability probe; may be empty when it is
   *     off
   * @throws InputException if no pair can be used: the model answers none of them
   * @throws java.util.concurrent.CancellationException if {@code progress} asks to stop
   */
  public ProbeResult run(Map<String, List<CounterfactualPair>> pairs, List<int[]> plainTexts) {
    double[][] attention = zeros();
    List<Tally> tallies = receivers(pairs, attention);
    int used = tallies.stream().mapToInt(t -> t.effects.size()).sum();
    if (used == 0) {
      int all = tallies.stream().mapToInt(t -> t.pairs).sum();
      int correct = tallies.stream().mapToInt(t -> t.correct).sum();
      throw new InputException(
          "the probe has nothing to go by: of "
              + all
              + " pairs the model answers "
              + correct
              + " rightly and none with a margin of "
              + options.minimumGap()
              + "; use shorter prompts (--length) or a model that can retrieve");
    }
    List<double[][]> receiverMeans = new ArrayList<>();
    for (Tally t : tallies) {
      if (!t.effects.isEmpty()) {
        receiverMeans.add(mean(t.effects));
      }
    }
    double[][] receiver = meanAbsolute(receiverMeans);
    List<double[][]> senderMeans =
        options.senderPairs() > 0 ? senders(tallies, receiverMeans) : List.of();
    double[][] sender = senderMeans.isEmpty() ? zeros() : meanAbsolute(senderMeans);
    double[][] kappa = kappa(receiverMeans, senderMeans);
    double[][] retrieval = zeros();
    each((l, h) -> retrieval[l][h] = Math.max(receiver[l][h], sender[l][h]) * kappa[l][h]);
    double[][] general = null;
    if (options.generalAbility() && !plainTexts.isEmpty()) {
      progress.begin(
          "probe: general ability",
          (long) plainTexts.size() * config.layers() * config.heads(),
          "heads");
      general = GeneralAbility.run(model, plainTexts, progress);
      progress.end();
    }
    double[][] score = combine(retrieval, general);
    each((l, h) -> attention[l][h] /= tallies.stream().mapToInt(t -> t.pairs).sum());
    double[][][] halves = halves(tallies);
    return new ProbeResult(
        score,
        retrieval,
        receiver,
        sender,
        kappa,
        general,
        attention,
        Stability.spearman(halves[0], halves[1]),
        Stability.topOverlap(
            halves[0], halves[1], Math.max(1, config.layers() * config.heads() / 8)),
        tallies.stream().map(HeadProbe::summary).toList());
  }

  private static ProbeResult.SubProbe summary(Tally t) {
    int used = t.effects.size();
    return new ProbeResult.SubProbe(
        t.name, t.pairs, t.correct, used, used == 0 ? 0 : t.gaps / used);
  }

  private List<Tally> receivers(Map<String, List<CounterfactualPair>> pairs, double[][] attention) {
    long total = pairs.values().stream().mapToLong(List::size).sum();
    progress.begin("probe: receivers", total, "pairs");
    List<Tally> tallies = new ArrayList<>();
    int done = 0;
    for (Map.Entry<String, List<CounterfactualPair>> e : pairs.entrySet()) {
      Tally t = new Tally(e.getKey());
      tallies.add(t);
      for (CounterfactualPair pair : e.getValue()) {
        progress.throwIfCancelled();
        receive(t, pair, attention);
        progress.advance(++done, e.getKey() + ": " + t.effects.size() + " used");
      }
    }
    progress.end();
    return tallies;
  }

  private void receive(Tally t, CounterfactualPair pair, double[][] attention) {
    t.pairs++;
    try (ReceiverProbe probe = new ReceiverProbe(model, pair.clean().length, pair.answerTokens())) {
      ReceiverProbe.Outcome o = probe.run(pair, options.minimumGap());
      each((l, h) -> attention[l][h] += o.attention()[l][h]);
      if (o.correct()) {
        t.correct++;
      }
      if (o.effects() != null) {
        t.usable.add(pair);
        t.effects.add(o.effects());
        t.gaps += o.gap();
      }
    }
  }

  /** Path patching, one step back at a time, until the set of critical heads no longer grows. */
  private List<double[][]> senders(List<Tally> tallies, List<double[][]> receiverMeans) {
    boolean[][] critical = new boolean[config.layers()][config.heads()];
    mark(critical, meanAbsolute(receiverMeans));
    List<double[][]> means = new ArrayList<>();
    for (int round = 1; round <= options.rounds(); round++) {
      means = senderRound(tallies, critical, round);
      if (means.isEmpty() || !mark(critical, meanAbsolute(means))) {
        break;
      }
    }
    return means;
  }

  private boolean mark(boolean[][] critical, double[][] effect) {
    boolean[] grown = {false};
    each((l, h) -> {
      if (effect[l][h] >= options.threshold() && !critical[l][h]) {
        critical[l][h] = true;
        grown[0] = true;
      }
    });
    return grown[0];
  }

  private List<double[][]> senderRound(List<Tally> tallies, boolean[][] receivers, int round) {
    int lastReceiver = -1;
    for (int l = 0; l < config.layers(); l++) {
      for (boolean b : receivers[l]) {
        lastReceiver = b ? l : lastReceiver;
      }
    }
    long forwards = 0;
    for (Tally t : tallies) {
      forwards +=
          (long) Math.min(options.senderPairs(), t.usable.size()) * Math.max(lastReceiver, 0);
    }
    progress.begin("probe: senders, round " + round, forwards * config.heads(), "heads");
    Map<String, double[][]> means = new LinkedHashMap<>();
    int done = 0;
    for (Tally t : tallies) {
      int pairs = Math.min(options.senderPairs(), t.usable.size());
      List<double[][]> effects = new ArrayList<>();
      for (CounterfactualPair pair : t.usable.subList(0, pairs)) {
        double[][] effect = zeros();
        try (SenderProbe probe = new SenderProbe(model, pair.clean().length)) {
          probe.prepare(pair);
          for (int l = 0; l < lastReceiver; l++) {
            for (int h = 0; h < config.heads(); h++) {
              progress.throwIfCancelled();
              effect[l][h] = probe.effect(l, h, receivers);
              progress.advance(++done, t.name);
            }
          }
        }
        effects.add(effect);
      }
      if (!effects.isEmpty()) {
        means.put(t.name, mean(effects));
      }
    }
    progress.end();
    return List.copyOf(means.values());
  }

  private double[][] kappa(List<double[][]> receiverMeans, List<double[][]> senderMeans) {
    double[][] kappa = zeros();
    each((l, h) -> kappa[l][h] = Math.max(share(receiverMeans, l, h), share(senderMeans, l, h)));
    return kappa;
  }

  private double share(List<double[][]> means, int l, int h) {
    if (means.isEmpty()) {
      return 0;
    }
    long over = means.stream().filter(m -> Math.abs(m[l][h]) >= options.threshold()).count();
    return over / (double) means.size();
  }

  private double[][] combine(double[][] retrieval, double[][] general) {
    double[][] a = Stability.minMax(retrieval);
    if (general == null) {
      return a;
    }
    double[][] clamped = zeros();
    each((l, h) -> clamped[l][h] = Math.max(0, general[l][h]));
    double[][] b = Stability.minMax(clamped);
    double[][] score = zeros();
    each((l, h) -> score[l][h] = (a[l][h] + b[l][h]) / 2);
    return score;
  }

  private double[][][] halves(List<Tally> tallies) {
    List<double[][]> even = new ArrayList<>();
    List<double[][]> odd = new ArrayList<>();
    for (Tally t : tallies) {
      for (int i = 0; i < t.effects.size(); i++) {
        (i % 2 == 0 ? even : odd).add(t.effects.get(i));
      }
    }
    return new double[][][] {meanAbsolute(even), meanAbsolute(odd)};
  }

  private double[][] mean(List<double[][]> effects) {
    double[][] m = zeros();
    for (double[][] e : effects) {
      each((l, h) -> m[l][h] += e[l][h] / effects.size());
    }
    return m;
  }

  private double[][] meanAbsolute(List<double[][]> effects) {
    double[][] m = zeros();
    for (double[][] e : effects) {
      each((l, h) -> m[l][h] += Math.abs(e[l][h]) / effects.size());
    }
    return m;
  }

  private double[][] zeros() {
    return new double[config.layers()][config.heads()];
  }

  private interface Cell {
    void at(int layer, int head);
  }

  private void each(Cell body) {
    for (int l = 0; l < config.layers(); l++) {
      for (int h = 0; h < config.heads(); h++) {
        body.at(l, h);
      }
    }
  }
}
