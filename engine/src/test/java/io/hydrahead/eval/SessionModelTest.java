package io.hydrahead.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.hydrahead.data.TextCodec;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.model.Session;
import io.hydrahead.model.Style;
import io.hydrahead.model.TestModels;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tokenizer.Tokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class SessionModelTest {
  private static final Path TEACHER = Path.of("../../shared/teacher-24m");
  private static final TextCodec BYTES =
      TextCodec.of(s -> s.chars().map(c -> c % 97).toArray(), Arrays::toString, 97);

  private static Ops ops;

  @BeforeAll
  static void open() {
    ops = OpsFactory.cpu(OpsOptions.defaults());
  }

  @AfterAll
  static void close() {
    ops.close();
  }

  private static HybridTransformer random() {
    return TestModels.random(TestModels.config(), TestModels.headWise(), Style.HYDRAHEAD, ops, 5);
  }

  /** Greedy decoding that reads the whole text anew for every token. */
  private static int[] slowly(HybridTransformer m, int[] prompt, int n) {
    int[] all = Arrays.copyOf(prompt, prompt.length + n);
    for (int i = prompt.length; i < all.length; i++) {
      try (Session s = m.newSession(i)) {
        Tensor logits = s.prefill(Arrays.copyOf(all, i));
        int best = 0;
        for (int v = 1; v < logits.size(0); v++) {
          best = logits.get(v) > logits.get(best) ? v : best;
        }
        all[i] = best;
      }
    }
    return Arrays.copyOfRange(all, prompt.length, all.length);
  }

  @Test
  void questionsBehindOneContextAreAnsweredAsIfEachHadItsOwn() {
    try (HybridTransformer m = random();
        SessionModel model = new SessionModel("random", m, BYTES)) {
      int[] context = IntStream.range(0, 70).map(i -> i * 31 % 97).toArray();
      int[] q1 = {5, 6, 7};
      int[] q2 = {90, 1};
      int[] a1 = slowly(m, concat(context, q1), 6);
      int[] a2 = slowly(m, concat(context, q2), 6);
      a2[3] = (a2[3] + 1) % 97;
      Example e =
          new Example(
              context,
              List.of(
                  new Example.Question(q1, List.of(a1), List.of(""), 6),
                  new Example.Question(q2, List.of(a2), List.of(""), 4)),
              "");
      List<int[]> made = model.generate(e);
      assertThat(made.get(0)).isEqualTo(a1);
      assertThat(made.get(1)).hasSize(4).startsWith(Arrays.copyOf(a2, 3));
      assertThat(model.generate(concat(context, q1), 6)).isEqualTo(a1);
      List<boolean[]> matches = model.greedyMatches(e);
      assertThat(matches.get(0)).containsOnly(true);
      assertThat(matches.get(1)).startsWith(true, true, true, false);
    }
  }

  @Test
  void likelihoodsAreThoseOfTheLogits() {
    try (HybridTransformer m = random();
        SessionModel model = new SessionModel("random", m, BYTES)) {
      int[] ids = IntStream.range(0, 20).map(i -> i * 17 % 97).toArray();
      double[] all = model.tokenLogLikelihoods(ids);
      assertThat(all).hasSize(19);
      for (int i = 1; i < 20; i += 6) {
        try (Session s = m.newSession(32)) {
          float[] logits = s.prefill(Arrays.copyOf(ids, i)).toFloats();
          double sum = 0;
          for (float x : logits) {
            sum += Math.exp(x);
          }
          assertThat(all[i - 1]).isEqualTo(logits[ids[i]] - Math.log(sum), within(1e-4));
        }
      }
    }
  }

  private static int[] concat(int[] a, int[] b) {
    int[] out = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, out, a.length, b.length);
    return out;
  }

  @Test
  void theTeacherRecallsNeedlesUpToItsNativeContextAndNoneBeyond() {
    assumeTrue(Files.isDirectory(TEACHER), "teacher-24m is not here");
    try (HybridTransformer m =
            HybridTransformer.load(TEACHER, ops, ModelFiles.LoadOptions.FLOAT32);
        SessionModel model = new SessionModel("teacher", m, Tokenizer.load(TEACHER))) {
      List<EvalTask> task = List.of(EvalTask.NIAH_SINGLE_1);
      Evaluator evaluator = new Evaluator(EvalOptions.small());
      List<Cell> near = evaluator.run(model, task, List.of(512, 1024), 2, 1, Progress.SILENT);
      assertThat(near).allMatch(c -> c.measured().accuracy() == 1);
      assertThat(evaluator.run(model, task, List.of(6200), 1, 1, Progress.SILENT))
          .allMatch(c -> c.measured().accuracy() == 0);
    }
  }
}
