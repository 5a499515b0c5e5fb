package io.hydrahead.plan;

import io.hydrahead.model.HeadPlan;
import io.hydrahead.plan.PlanChoices.Axis;
import io.hydrahead.plan.PlanChoices.Floor;
import io.hydrahead.plan.PlanChoices.Quota;
import io.hydrahead.plan.PlanChoices.Rule;
import io.hydrahead.tensor.InputException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Selection rules: from scores and a budget to a head plan. K = round(L·H / (r + 1)) heads exactly;
 * layer-wise plans take n = ⌈L / (r + 1)⌉ whole rows. L layers, H query heads a layer, r linear
 * heads to a full one. The default, the highest scores of the whole model with at least one full
 * head a layer, is Global-Interp-C of HydraHead (arXiv:2606.20097); that heads of KV groups which
 * are kept already come first is our own.
 */
public final class PlanRules {
  private PlanRules() {}

  /**
   * Chooses the full heads. The same request gives the same plan.
   *
   * @throws InputException if the floor needs more heads than the ratio leaves, if the rule needs
   *     scores that are not there, or if they belong to a model of another shape
   */
  public static HeadPlan select(PlanRequest request) {
    HeadShape shape = request.shape();
    request.scores().requireShape(shape, "heads.json");
    if (request.ratio().isFull()) {
      return HeadPlan.allFull(shape.layers(), shape.heads());
    }
    if (request.ratio().isAllLinear()) {
      return HeadPlan.of(new boolean[shape.layers()][shape.heads()]);
    }
    double[][] scores = scores(request);
    double[][] effect = request.scores().effect();
    if (request.choices().axis() == Axis.LAYER) {
      return rows(request, scores, effect);
    }
    int budget = request.ratio().fullOf(shape.cells());
    requireFloor(request, budget);
    CellSelector selector = new CellSelector(shape, scores, effect, request.choices());
    if (request.choices().quota() == Quota.LAYER || request.choices().rule() == Rule.FIXED) {
      evenly(shape, budget, selector);
    } else {
      selector.select(0, shape.layers(), budget);
    }
    return HeadPlan.of(selector.full());
  }

  private static void requireFloor(PlanRequest request, int budget) {
    HeadShape shape = request.shape();
    Floor floor = request.choices().floor();
    if (budget == 0) {
      throw new InputException(
          "--ratio "
              + request.ratio()
              + " leaves none of "
              + shape.cells()
              + " heads full; write a smaller ratio, or all-linear if that is meant");
    }
    int least =
        switch (floor) {
          case HEAD -> shape.layers();
          case GROUP -> shape.layers() * shape.group();
          case NONE -> 0;
        };
    if (budget < least) {
      throw new InputException(
          "--ratio "
              + request.ratio()
              + " keeps "
              + budget
              + " of "
              + shape.cells()
              + " heads full, but --floor "
              + PlanChoices.text(floor)
              + " needs "
              + least
              + " ("
              + shape.layers()
              + " layers × "
              + least / shape.layers()
              + "); use a ratio of at most "
              + most(shape, least)
              + ":1, or "
              + (floor == Floor.GROUP && budget >= shape.layers()
                  ? "--floor head"
                  : "--floor none"));
    }
  }

  /** Largest whole r that leaves {@code least} heads. */
  private static int most(HeadShape shape, int least) {
    return Math.max(1, shape.cells() / least - 1);
  }

  private static double[][] scores(PlanRequest request) {
    Rule rule = request.choices().rule();
    HeadScores scores = request.scores();
    if (rule.needsScores() && !scores.present()) {
      throw new InputException(
          "--rule "
              + PlanChoices.text(rule)
              + " needs the probe's scores; give --heads heads.json (made by hydrahead probe), or"
              + " use --rule fixed or random");
    }
    return switch (rule) {
      case CAUSAL -> scores.scores();
      case ATTENTION -> {
        if (!scores.has(HeadScores.ATTENTION)) {
          throw new InputException(
              "--rule attention needs the field "
                  + HeadScores.ATTENTION
                  + ", which this heads.json lacks; make it with hydrahead probe, or use --rule"
                  + " causal");
        }
        yield scores.matrix(HeadScores.ATTENTION);
      }
      case RANDOM -> random(request.shape(), request.seed());
      case FIXED -> evenlySpaced(request.shape());
    };
  }

  private static double[][] random(HeadShape shape, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[][] out = new double[shape.layers()][shape.heads()];
    for (double[] row : out) {
      Arrays.setAll(row, h -> random.nextDouble());
    }
    return out;
  }

  /**
   * The same order in every layer: KV groups far apart first, then their second heads, and so on.
   */
  private static double[][] evenlySpaced(HeadShape shape) {
    int groups = shape.kvHeads();
    int[] order =
        IntStream.range(0, groups)
            .boxed()
            .sorted(Comparator.comparingDouble(i -> vanDerCorput(i)))
            .mapToInt(i -> i)
            .toArray();
    double[] row = new double[shape.heads()];
    for (int place = 0; place < groups; place++) {
      for (int i = 0; i < shape.group(); i++) {
        row[place * shape.group() + i] = -(i * groups + order[place]);
      }
    }
    double[][] out = new double[shape.layers()][];
    Arrays.fill(out, row);
    return out;
  }

  /** Binary digits of {@code i} mirrored at the point: 0, ½, ¼, ¾, ⅛ … */
  private static double vanDerCorput(int i) {
    return (Integer.reverse(i) >>> 1) / (double) (1L << 31);
  }

  /** K / L heads a layer; the rest one each to evenly spaced layers. */
  private static void evenly(HeadShape shape, int budget, CellSelector selector) {
    int layers = shape.layers();
    int[] share = new int[layers];
    Arrays.fill(share, budget / layers);
    for (int row : evenRows(layers, budget % layers)) {
      share[row]++;
    }
    for (int l = 0; l < layers; l++) {
      if (share[l] > 0) {
        selector.select(l, l + 1, share[l]);
      }
    }
  }

  private static HeadPlan rows(PlanRequest request, double[][] scores, double[][] effect) {
    HeadShape shape = request.shape();
    int n = request.ratio().rowsOf(shape.layers());
    int[] rows =
        switch (request.choices().rule()) {
          case FIXED -> evenRows(shape.layers(), n);
          case CAUSAL, ATTENTION, RANDOM ->
              IntStream.range(0, shape.layers())
                  .boxed()
                  .sorted(
                      Comparator.comparingDouble((Integer l) -> -sum(scores[l]))
                          .thenComparingDouble(l -> -sum(effect[l]))
                          .thenComparingInt(l -> l))
                  .limit(n)
                  .mapToInt(l -> l)
                  .toArray();
        };
    boolean[][] full = new boolean[shape.layers()][shape.heads()];
    for (int row : rows) {
      Arrays.fill(full[row], true);
    }
    return HeadPlan.of(full);
  }

  /** Row i of n at ⌈(i + 1)·L / n⌉ − 1: the last row is among them. */
  static int[] evenRows(int layers, int n) {
    return IntStream.range(0, n).map(i -> Math.ceilDiv((i + 1) * layers, n) - 1).toArray();
  }

  private static double sum(double[] row) {
    return Arrays.stream(row).sum();
  }
}
