package io.hydrahead.study.eval;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.eval.Lengths;
import io.hydrahead.json.Json;
import io.hydrahead.json.ReadableJson;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.Session;
import io.hydrahead.plan.MemoryPlan;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Progress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Times a model at lengths: reading a text, and one more token behind it; and counts what its
 * caches take. The host waits for the device at the end of each, as a user would.
 */
public final class SpeedMeter {
  private static final int DECODED = 64;
  private static final int WARM = 8;

  private final double seconds;

  /**
   * @param seconds that reading is repeated for at a length; at least once
   */
  public SpeedMeter(double seconds) {
    this.seconds = seconds;
  }

  /**
   * Measures and writes {@code armFolder/speed.json}, unless that is there for this model.
   *
   * @throws java.util.concurrent.CancellationException if {@code progress} asks to stop
   */
  public void measure(Subject subject, List<Integer> lengths, Path armFolder, Progress progress) {
    Path file = armFolder.resolve("speed.json");
    if (Files.isRegularFile(file)
        && Json.read(file).path("checkpoint_hash").asString("").equals(subject.checkpoint())) {
      return;
    }
    HybridTransformer model = subject.model();
    ModelConfig c = model.config();
    DType type = model.ops().activations();
    MemoryPlan plan = MemoryPlan.of(c, model.plan(), model.style(), type, type);
    ObjectNode o = Json.object();
    o.put("schema", "hydrahead.study.speed").put("schema_version", 1);
    o.put("model", subject.arm()).put("seed", subject.seed());
    o.put("checkpoint_hash", subject.checkpoint());
    o.put("device", model.ops().description()).put("type", type.name());
    o.put("parameters", plan.parameters());
    ArrayNode list = o.putArray("lengths");
    progress.begin("speed " + subject.arm(), lengths.size(), "lengths");
    try {
      // Once for nothing: kernels are loaded and the code is compiled.
      time(model, lengths.getFirst(), Json.object());
      for (int i = 0; i < lengths.size(); i++) {
        progress.throwIfCancelled();
        int length = lengths.get(i);
        ObjectNode e = list.addObject().put("length", length);
        time(model, length, e);
        e.put("kv_bytes", plan.kvBytes(length)).put("state_bytes", plan.stateBytes());
        progress.advance(i + 1, Lengths.format(length));
      }
    } finally {
      progress.end();
    }
    AtomicFile.write(file, ReadableJson.text(o));
  }

  private void time(HybridTransformer model, int length, ObjectNode out) {
    int[] ids = new Random(length).ints(length, 0, model.config().vocabSize()).toArray();
    try (Session s = model.newSession(length + WARM + DECODED)) {
      s.prefill(Arrays.copyOf(ids, Math.min(length, 1 << 14)));
      double[] ms = new double[32];
      int n = 0;
      long end = System.nanoTime() + (long) (seconds * 1e9);
      while (n < ms.length && (n == 0 || System.nanoTime() < end)) {
        s.reset();
        long from = System.nanoTime();
        s.prefill(ids);
        ms[n++] = (System.nanoTime() - from) / 1e6;
      }
      Arrays.sort(ms, 0, n);
      int next = 1;
      for (int i = 0; i < WARM; i++) {
        next = s.decodeGreedy(next);
      }
      long from = System.nanoTime();
      for (int i = 0; i < DECODED; i++) {
        next = s.decodeGreedy(next);
      }
      double decode = (System.nanoTime() - from) / 1e6 / DECODED;
      out.put("prefill_ms", rounded(ms[n / 2])).put("prefill_runs", n);
      out.put("prefill_us_per_token", rounded(1e3 * ms[n / 2] / length));
      out.put("decode_ms", rounded(decode)).put("session_bytes", s.bytes());
    }
  }

  private static double rounded(double v) {
    return Math.rint(v * 1e4) / 1e4;
  }
}
