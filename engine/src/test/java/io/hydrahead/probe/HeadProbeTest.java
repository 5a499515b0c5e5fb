package io.hydrahead.probe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ParameterShapes;
import io.hydrahead.model.ParameterStore;
import io.hydrahead.model.RotaryConfig;
import io.hydrahead.model.Style;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * A model with a planted retrieval head. Its vocabulary: 0…7 ask for key i; 8…71 are "key i holds
 * value j" in one token; 72…79 are values; the rest is filler. Head (1, 2) matches keys and copies
 * values; all other heads are weak noise.
 */
class HeadProbeTest {
  private static final int KEYS = 8;
  private static final int FILLER = 16 + 64;
  private static final int WIDTH = 40;
  private static final int D = 32;
  private static final int PLANTED_LAYER = 1;
  private static final int PLANTED_HEAD = 2;

  @Test
  void findsThePlantedHead() {
    try (Ops ops = OpsFactory.reference(1)) {
      HybridTransformer model = planted(ops, 0.02);
      ProbeResult r = probe(model, 3);
      assertThat(argMax(r.retrieval())).containsExactly(PLANTED_LAYER, PLANTED_HEAD);
      assertThat(argMax(r.attentionScore())).containsExactly(PLANTED_LAYER, PLANTED_HEAD);
      assertThat(r.receiver()[PLANTED_LAYER][PLANTED_HEAD]).isCloseTo(1, within(0.1));
      assertThat(r.score()[PLANTED_LAYER][PLANTED_HEAD]).isGreaterThanOrEqualTo(0.5);
      assertThat(r.general()[PLANTED_LAYER][PLANTED_HEAD]).isNotNaN();
      assertThat(r.kappa()[PLANTED_LAYER][PLANTED_HEAD]).isEqualTo(1);
      assertThat(r.splitHalfOverlap()).isGreaterThan(0);
      assertThat(r.subProbes()).allMatch(s -> s.used() == s.pairs());
    }
  }

  /**
   * Effects are a property of the whole model: the frozen-rows shortcut equals patching everything.
   */
  @Test
  void receiverEffectsAddUpWhereTheModelIsLinear() {
    try (Ops ops = OpsFactory.reference(1)) {
      ProbeResult r = probe(planted(ops, 0.0), 0);
      for (int l = 0; l < 3; l++) {
        for (int h = 0; h < 4; h++) {
          double want = l == PLANTED_LAYER && h == PLANTED_HEAD ? 1 : 0;
          assertThat(r.receiver()[l][h]).isCloseTo(want, within(0.02));
        }
      }
    }
  }

  @Test
  void saysWhenTheModelAnswersNothing() {
    try (Ops ops = OpsFactory.reference(1)) {
      HybridTransformer model = planted(ops, 0.02);
      model.parameters().get(ParameterShapes.LM_HEAD).fill(0f);
      assertThatThrownBy(() -> probe(model, 0))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("of 12 pairs");
    }
  }

  @Test
  void counterfactualSwapsTheValueEverywhereAndKeepsTheLength() {
    java.util.function.Function<String, int[]> letters = s -> s.chars().toArray();
    CounterfactualPair p =
        CounterfactualPair.of("the number is 4711 . ask", " ", "4711", letters, new Random(1))
            .orElseThrow();
    assertThat(p.clean()).hasSameSizeAs(p.corrupted());
    assertThat(p.answerStart()).isEqualTo(24);
    assertThat(p.truth()).containsExactly(' ', '4', '7', '1', '1');
    assertThat(p.needleStart()).isEqualTo(13);
    assertThat(p.counterfactual()).hasSize(5).isNotEqualTo(p.truth());
    for (int i = 0; i < p.clean().length; i++) {
      boolean value = i >= 14 && i < 18;
      if (!value) {
        assertThat(p.corrupted()[i]).isEqualTo(p.clean()[i]);
      }
    }
  }

  private static ProbeResult probe(HybridTransformer model, int senderPairs) {
    Random random = new Random(5);
    List<CounterfactualPair> single = new ArrayList<>();
    List<CounterfactualPair> multi = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      single.add(pair(random, 1));
      multi.add(pair(random, 4));
    }
    List<int[]> texts = List.of(random.ints(32, 0, FILLER + 16).toArray());
    ProbeOptions options = new ProbeOptions(0.01, 0.5, senderPairs, 2, senderPairs > 0);
    return new HeadProbe(model, options, Progress.SILENT)
        .run(Map.of("single", single, "multi", multi), texts);
  }

  private static CounterfactualPair pair(Random random, int needles) {
    int[] keys = random.ints(0, KEYS).distinct().limit(needles).toArray();
    int[] text = random.ints(25, FILLER, FILLER + 16).toArray();
    int at = 0;
    int value = 0;
    for (int n = 0; n < needles; n++) {
      int place = random.nextInt(23);
      while (text[place] < FILLER) {
        place = random.nextInt(23);
      }
      int v = random.nextInt(KEYS);
      text[place] = 8 + keys[n] * KEYS + v;
      if (n == 0) {
        at = place;
        value = v;
      }
    }
    text[23] = keys[0];
    text[24] = 72 + value;
    int other = (value + 1 + random.nextInt(KEYS - 1)) % KEYS;
    int[] corrupted = text.clone();
    corrupted[at] = 8 + keys[0] * KEYS + other;
    return new CounterfactualPair(
        text, corrupted, 24, new int[] {72 + value}, new int[] {72 + other}, at);
  }

  /**
   * Width: 8 dims each for key, value, output, filler and question; θ so great that rotary is idle.
   */
  private static HybridTransformer planted(Ops ops, double noise) {
    ModelConfig c =
        new ModelConfig(
            FILLER + 16,
            WIDTH,
            8,
            3,
            4,
            4,
            D,
            64,
            1e-6f,
            RotaryConfig.plain(1e60),
            false,
            -1,
            List.of());
    HeadPlan plan = HeadPlan.allFull(3, 4);
    ParameterStore s = ParameterStore.zeros(ParameterShapes.of(c, plan, Style.VANILLA), DType.F32);
    Random random = new Random(3);
    for (String name : s.names()) {
      Tensor t = s.get(name);
      boolean norm = name.contains("norm");
      for (long i = 0; i < t.size(); i++) {
        t.set(i, norm ? 1f : (float) (noise * random.nextGaussian()));
      }
    }
    Tensor e = s.get(ParameterShapes.EMBEDDING);
    for (int i = 0; i < KEYS; i++) {
      set(e, i, 32 + i, 2);
      for (int v = 0; v < KEYS; v++) {
        set(e, 8 + i * KEYS + v, i, 2);
        set(e, 8 + i * KEYS + v, 8 + v, 2);
      }
      set(e, 72 + i, 16 + i, 2);
      set(e, FILLER + i, 24 + i, 2);
      set(e, FILLER + 8 + i, 24 + i, 2);
      set(s.get(ParameterShapes.LM_HEAD), 72 + i, 16 + i, 4);
    }
    String p = ParameterShapes.attention(PLANTED_LAYER);
    for (int i = 0; i < KEYS; i++) {
      int row = PLANTED_HEAD * D + 4 + i;
      set(s.get(p + "q_proj.weight"), row, 32 + i, 3);
      set(s.get(p + "k_proj.weight"), row, i, 3);
      set(s.get(p + "v_proj.weight"), PLANTED_HEAD * D + i, 8 + i, 1);
      set(s.get(p + "o_proj.weight"), 16 + i, PLANTED_HEAD * D + i, 3);
    }
    return new HybridTransformer(c, plan, Style.VANILLA, s, ops);
  }

  private static void set(Tensor t, int row, int column, float value) {
    t.set(row * t.dim(1) + column, value);
  }

  private static int[] argMax(double[][] m) {
    int[] best = {0, 0};
    for (int l = 0; l < m.length; l++) {
      for (int h = 0; h < m[l].length; h++) {
        if (m[l][h] > m[best[0]][best[1]]) {
          best = new int[] {l, h};
        }
      }
    }
    return best;
  }
}
