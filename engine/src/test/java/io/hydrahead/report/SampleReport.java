package io.hydrahead.report;

import io.hydrahead.report.ModelFacts.Memory;
import io.hydrahead.report.ReportInput.Cell;
import io.hydrahead.report.ReportInput.Curve;
import io.hydrahead.report.ReportInput.HeadScoreMap;
import io.hydrahead.report.ReportInput.Source;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** A report's input made of invented numbers, for tests of the report alone. */
final class SampleReport {
  static final int NATIVE = 512;
  private static final int LAYERS = 8;
  private static final int HEADS = 16;
  private static final String TEACHER = "Teacher";
  private static final String LAYER = "Layer-wise 3:1";
  private static final String HYDRA = "HydraHead 7:1";
  private static final String LINEAR = "All linear";
  private static final String RESULTS = "results.json";
  private static final String LOG = "transfer/log.jsonl";

  private SampleReport() {}

  static ReportInput input() {
    Random random = new Random(5);
    double[][] scores = scores(random);
    return new ReportInput(
        "Invented numbers: four models, one tiny teacher",
        "A sample for the test of this page. Nothing here was measured.",
        models(scores),
        cells(random),
        List.of(
            new ReportInput.Skipped(
                TEACHER, "niah_multikey_3", 256, "the smallest example has 412 tokens"),
            new ReportInput.Skipped(
                HYDRA, "niah_multikey_3", 256, "the smallest example has 412 tokens")),
        new HeadScoreMap(scores, "heads.json"),
        curves(random),
        List.of(
            new Source(
                RESULTS,
                "hydrahead eval demo/hydrahead --tasks all --lengths 512,1K,2K,4K --samples 40",
                "0123abc",
                "demo/teacher",
                "17",
                "style ruler, haystack generated"),
            new Source(
                "heads.json",
                "hydrahead probe demo/teacher -o heads.json",
                "0123abc",
                "demo/teacher",
                "17",
                ""),
            new Source(
                LOG,
                "hydrahead transfer demo/teacher … --recipe demo.json",
                "0123abc",
                "",
                "17",
                "")),
        system());
  }

  private static Map<String, String> system() {
    Map<String, String> system = new LinkedHashMap<>();
    system.put("Processor", "Invented CPU, 2 threads, 512-bit vectors");
    system.put("Memory", "8 GiB");
    system.put("Java", "25.0.3");
    system.put("GEMM", "java");
    return system;
  }

  private static double[][] scores(Random random) {
    double[][] s = new double[LAYERS][HEADS];
    for (double[] row : s) {
      for (int h = 0; h < HEADS; h++) {
        row[h] = random.nextDouble() < .8 ? random.nextDouble() * .02 : random.nextDouble() * .2;
      }
    }
    s[3][6] = 1;
    s[3][7] = .72;
    s[5][2] = .8;
    s[5][3] = .35;
    s[6][10] = .5;
    return s;
  }

  private static List<ModelFacts> models(double[][] scores) {
    List<List<Integer>> all = new ArrayList<>();
    List<List<Integer>> rows = new ArrayList<>();
    List<List<Integer>> heads = new ArrayList<>();
    List<List<Integer>> none = new ArrayList<>();
    for (int l = 0; l < LAYERS; l++) {
      List<Integer> every = new ArrayList<>();
      int best = 0;
      for (int h = 0; h < HEADS; h++) {
        every.add(h);
        best = scores[l][h] > scores[l][best] ? h : best;
      }
      all.add(every);
      rows.add(l % 4 == 3 ? every : List.of());
      heads.add(best % 2 == 0 ? List.of(best, best + 1) : List.of(best - 1, best));
      none.add(List.of());
    }
    return List.of(
        model(TEACHER, all, 1_640_000, 8192, 0),
        model(LAYER, rows, 1_790_000, 2048, 98_304),
        model(HYDRA, heads, 1_850_000, 1024, 114_688),
        model(LINEAR, none, 1_880_000, 0, 131_072));
  }

  private static ModelFacts model(
      String name, List<List<Integer>> plan, long parameters, long kv, long state) {
    return new ModelFacts(
        name,
        plan,
        HEADS,
        HEADS / 2,
        NATIVE,
        name.equals(TEACHER) ? NATIVE : 4 * NATIVE,
        new Memory(parameters, 2 * parameters, kv, state),
        RESULTS);
  }

  private static List<Cell> cells(Random random) {
    List<Cell> out = new ArrayList<>();
    Map<String, double[]> recall = new LinkedHashMap<>();
    recall.put(TEACHER, new double[] {.99, .99, .12, 0, 0});
    recall.put(LAYER, new double[] {.97, .95, .88, .7, .45});
    recall.put(HYDRA, new double[] {.99, .98, .96, .95, .83});
    recall.put(LINEAR, new double[] {.15, .08, .03, .01, 0});
    int n = 40;
    for (String task :
        List.of(
            "niah_single_1",
            "niah_single_2",
            "niah_multikey_1",
            "niah_multivalue",
            "vt",
            "mqar_64")) {
      for (int i = 0; i < 5; i++) {
        int length = 256 << i;
        for (Map.Entry<String, double[]> e : recall.entrySet()) {
          double p = e.getValue()[i] * (task.startsWith("niah_single") ? 1 : .93);
          int right = 0;
          for (int k = 0; k < n; k++) {
            right += random.nextDouble() < p ? 1 : 0;
          }
          Recall.Pool w = Recall.wilson(right / (double) n, n);
          out.add(
              new Cell(
                  e.getKey(),
                  task,
                  length,
                  Cell.ACCURACY,
                  w.accuracy(),
                  w.low(),
                  w.high(),
                  n,
                  17,
                  RESULTS));
        }
      }
    }
    for (String model : recall.keySet()) {
      double loss = 1.6 + random.nextDouble() * .4;
      for (int i = 0; i < 4; i++) {
        double v = loss - .03 * i + (model.equals(TEACHER) && i > 1 ? 1.5 * (i - 1) : 0);
        out.add(
            new Cell(model, "perplexity", 256 << i, "loss", v, v - .02, v + .02, 64, 17, RESULTS));
      }
    }
    return out;
  }

  private static List<Curve> curves(Random random) {
    List<Curve> out = new ArrayList<>();
    double[] floor = {.08, .12, .2};
    List<String> models = List.of(LAYER, HYDRA, LINEAR);
    for (int stage = 0; stage < 2; stage++) {
      for (int i = 0; i < 3; i++) {
        double[] tokens = new double[300];
        double[] values = new double[300];
        for (int t = 0; t < 300; t++) {
          tokens[t] = stage * 1.2e6 + (t + 1) * 4096;
          double end = stage == 0 ? floor[i] : 1.7 + floor[i];
          values[t] =
              end + (stage == 0 ? .9 : .8) * Math.exp(-t / 40.0) + random.nextGaussian() * .01;
        }
        out.add(
            new Curve(
                models.get(i),
                stage == 0 ? "align" : "distil",
                stage == 0 ? "align" : "cross_entropy",
                tokens,
                values,
                LOG));
      }
    }
    return out;
  }
}
