package io.hydrahead.serve;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.TestModels;
import io.hydrahead.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Texts of random lengths, read and continued in a random order of steps; some prompts are read in
 * the pauses of others' steps.
 */
final class Interleaving {
  private static final int MOST = 8;

  private Interleaving() {}

  private static final class Text {
    final int[] ids;
    final int prompt;
    final BatchSequence sequence;

    Text(BatchEngine engine, Random random) {
      prompt = 1 + random.nextInt(random.nextInt(4) == 0 ? 400 : 90);
      ids = TestModels.ids(prompt + random.nextInt(25), 97, random.nextLong());
      int[] head = Arrays.copyOf(ids, prompt);
      sequence = engine.open(head, ids.length - prompt, false).orElseThrow();
    }

    boolean over() {
      return sequence.position() == ids.length;
    }
  }

  /** All logits of {@code rounds} engines' texts are compared with a session's. */
  static void check(HybridTransformer m, int rounds, double tolerance) {
    for (int seed = 0; seed < rounds; seed++) {
      Random random = new Random(seed);
      try (BatchEngine engine = new BatchEngine(m, BatchModels.options(m, MOST, 430))) {
        List<Text> texts = new ArrayList<>();
        int begun = 0;
        int compared = 0;
        int[] inPauses = {0};
        while (begun < 12 || !texts.isEmpty()) {
          while (begun < 12 && texts.size() < MOST && random.nextInt(3) > 0) {
            texts.add(new Text(engine, random));
            begun++;
          }
          compared += step(m, engine, texts, random, tolerance, inPauses);
          texts.removeIf(t -> {
            if (t.over()) {
              t.sequence.close();
            }
            return t.over();
          });
        }
        assertThat(compared).isGreaterThan(60);
        assertThat(inPauses[0]).isGreaterThan(2);
        assertThat(engine.stats().kvBytes()).isZero();
        assertThat(engine.stats().stateBytes()).isZero();
      }
    }
  }

  private static int step(
      HybridTransformer m,
      BatchEngine engine,
      List<Text> texts,
      Random random,
      double tolerance,
      int[] inPauses) {
    List<Text> decoding = new ArrayList<>();
    Text reading = null;
    for (Text t : texts) {
      if (t.sequence.reading()) {
        reading = reading == null || random.nextBoolean() ? t : reading;
      } else if (!t.over() && random.nextInt(3) > 0) {
        t.sequence.next(t.ids[t.sequence.position()]);
        decoding.add(t);
      }
    }
    if (reading == null && decoding.isEmpty()) {
      return 0;
    }
    List<Text> others = new ArrayList<>(texts);
    others.remove(reading);
    others.removeAll(decoding);
    engine.step(
        decoding.stream().map(t -> t.sequence).toList(),
        reading == null ? null : reading.sequence,
        128,
        null,
        () -> inPauses[0] += readOne(m, engine, others, random, tolerance));
    int compared = 0;
    if (reading != null && !reading.sequence.reading()) {
      decoding.add(reading);
    }
    for (Text t : decoding) {
      Tensor want = BatchModels.decoded(m, Arrays.copyOf(t.ids, t.sequence.position()), t.prompt);
      Tensor got = t.sequence.logits();
      BatchModels.assertClose(got, want, tolerance, t.sequence.position() + " of " + t.ids.length);
      assertThat(got.get(t.sequence.best())).isEqualTo(max(got));
      compared++;
    }
    return compared;
  }

  /** Reads on one of the prompts, perhaps; 1 if that was its end, and its logits are right. */
  private static int readOne(
      HybridTransformer m, BatchEngine engine, List<Text> texts, Random random, double tolerance) {
    List<Text> reading = texts.stream().filter(t -> t.sequence.reading()).toList();
    if (reading.isEmpty() || random.nextInt(3) == 0) {
      return 0;
    }
    Text t = reading.get(random.nextInt(reading.size()));
    engine.readInPause(t.sequence, null);
    if (t.sequence.reading()) {
      return 0;
    }
    Tensor want = BatchModels.decoded(m, Arrays.copyOf(t.ids, t.prompt), t.prompt);
    BatchModels.assertClose(t.sequence.logits(), want, tolerance, "read in a pause");
    return 1;
  }

  private static float max(Tensor t) {
    float max = Float.NEGATIVE_INFINITY;
    for (float x : t.toFloats()) {
      max = Math.max(max, x);
    }
    return max;
  }
}
