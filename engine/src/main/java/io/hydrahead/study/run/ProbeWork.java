package io.hydrahead.study.run;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.data.DataRecipe;
import io.hydrahead.data.Split;
import io.hydrahead.data.TextCodec;
import io.hydrahead.data.TrainingText;
import io.hydrahead.json.Fields;
import io.hydrahead.json.Json;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.ops.Ops;
import io.hydrahead.plan.HeadScale;
import io.hydrahead.plan.HeadScores;
import io.hydrahead.probe.HeadProbe;
import io.hydrahead.probe.PairSource;
import io.hydrahead.probe.ProbeOptions;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Probes a teacher, in float32, on words and texts that nothing is trained or tested on; and
 * measures its heads' loudness for the conversion.
 */
final class ProbeWork {
  private static final int PLAIN_TOKENS = 512;
  private static final String RMS = "head_rms";

  private final Workshop shop;

  ProbeWork(Workshop shop) {
    this.shop = shop;
  }

  boolean done(int seed) {
    return Files.isRegularFile(shop.folder().heads(seed))
        && Files.isRegularFile(shop.folder().scale(seed));
  }

  void run(int seed) {
    StudyRecipe.Probe p = shop.recipe().probe();
    Progress progress = shop.around().progress();
    Ops ops = shop.ops(DType.F32);
    try (HybridTransformer teacher = shop.loadTeacher(seed, ops)) {
      TextCodec codec = TextCodec.of(shop.tokenizer(seed));
      if (!Files.isRegularFile(shop.folder().scale(seed))) {
        List<int[]> texts = rows(data(false), codec, p.length() - 1, p.calibrationTexts(), seed);
        double[][] rms = HeadScale.measure(teacher, texts, progress);
        AtomicFile.write(shop.folder().scale(seed), Json.of(Map.of(RMS, rms)), true);
      }
      PairSource pairs = new PairSource(codec, p.style(), p.length(), p.pairs(), seed);
      List<int[]> plain =
          rows(data(true), codec, Math.min(PLAIN_TOKENS, p.length()) - 1, p.texts(), seed);
      ProbeOptions d = ProbeOptions.DEFAULT;
      ProbeOptions options =
          new ProbeOptions(
              d.threshold(), d.minimumGap(), p.senderPairs(), d.rounds(), p.texts() > 0);
      HeadScores scores =
          new HeadProbe(teacher, options, progress)
              .run(pairs.make(), plain)
              .toHeadScores(details(seed));
      AtomicFile.write(shop.folder().heads(seed), scores.toText());
    }
  }

  private Map<String, Object> details(int seed) {
    Map<String, Object> d = new LinkedHashMap<>();
    d.put("checkpoint", shop.teacher(seed).getFileName().toString());
    d.put("commit", shop.around().commit());
    d.put("command", shop.around().command());
    d.put("seed", seed);
    return d;
  }

  /** Data of the students, or their plain text alone. */
  private DataRecipe data(boolean plain) {
    Fields data = shop.recipe().data();
    if (!plain) {
      return shop.data(data);
    }
    ObjectNode patched = (ObjectNode) data.node().deepCopy();
    patched.put("plain", 1);
    return shop.data(data.with(patched));
  }

  private static List<int[]> rows(
      DataRecipe data, TextCodec codec, int context, int count, long seed) {
    TrainingText text = new TrainingText(data, codec, Split.PROBE, context, seed);
    List<int[]> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      out.add(text.row(i).ids());
    }
    return out;
  }

  HeadScores scores(int seed) {
    return HeadScores.read(shop.folder().heads(seed));
  }

  double[][] scale(int seed) {
    Path file = shop.folder().scale(seed);
    JsonNode rows = Json.read(file).path(RMS);
    if (!rows.isArray() || rows.isEmpty()) {
      throw new InputException(file + ": has no " + RMS + "; remove it, the probe makes it again");
    }
    double[][] out = new double[rows.size()][];
    for (int l = 0; l < out.length; l++) {
      out[l] = new double[rows.get(l).size()];
      for (int h = 0; h < out[l].length; h++) {
        out[l][h] = rows.get(l).get(h).doubleValue();
      }
    }
    return out;
  }
}
