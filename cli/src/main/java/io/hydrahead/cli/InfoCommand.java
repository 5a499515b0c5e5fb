package io.hydrahead.cli;

import io.hydrahead.checkpoint.Checkpoint;
import io.hydrahead.checkpoint.TensorInfo;
import io.hydrahead.model.CheckpointContents;
import io.hydrahead.model.ConfigJson;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.Style;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ObjectNode;

/** {@code hydrahead info}: what a checkpoint is and what it costs. */
@Command(
    name = "info",
    description = "Shape, head plan, parameters, and memory at 4K…512K tokens of a checkpoint.")
@Without({"--device", "--threads", "--dtype", "--blas", "--deterministic", "--seed", "--force"})
final class InfoCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Parameters(paramLabel = "CHECKPOINT", description = "A Hugging Face folder.")
  private Path folder;

  @Option(names = "--json", description = "Print JSON instead of text.")
  private boolean json;

  /** What the folder says about itself. */
  private record Facts(
      ModelConfig config,
      HeadPlan plan,
      Style style,
      int nativeContext,
      long parameters,
      long weightBytes,
      String dtypes) {}

  @Override
  public Integer call() {
    Facts f = read();
    if (json) {
      printJson(f);
    } else {
      printText(f);
    }
    return ExitCode.OK;
  }

  private Facts read() {
    try (Checkpoint c = Checkpoint.open(folder)) {
      Path file = folder.resolve("config.json");
      ModelConfig config = ConfigJson.read(c.config(), file);
      List<String> tensors = CheckpointContents.require(c, folder);
      long parameters = 0;
      long bytes = 0;
      TreeSet<String> dtypes = new TreeSet<>();
      for (String name : tensors) {
        TensorInfo info = c.info(name);
        parameters += info.shape().stream().reduce(1L, Math::multiplyExact);
        bytes += info.bytes();
        dtypes.add(info.type().name());
      }
      return new Facts(
          config,
          ConfigJson.plan(c.config(), file),
          ConfigJson.style(c.config(), file),
          ConfigJson.nativeContext(c.config(), file),
          parameters,
          bytes,
          String.join(", ", dtypes));
    }
  }

  private void printText(Facts f) {
    PrintWriter out = common.out();
    ModelConfig c = f.config();
    out.println("checkpoint  " + folder);
    out.println("model       " + kind(f));
    out.printf(
        "shape       %d layers × %d heads (%d KV heads), head dim %d, hidden %d, MLP %d, vocabulary %d%n",
        c.layers(),
        c.heads(),
        c.kvHeads(),
        c.headDim(),
        c.hiddenSize(),
        c.intermediateSize(),
        c.vocabSize());
    out.printf(
        "context     %s tokens%s%s, rotary θ %s%s%n",
        TokenCount.format(c.maxPositionEmbeddings()),
        origin(f),
        c.rotary().yarn().factor() > 1 ? ", YaRN × " + c.rotary().yarn().factor() : "",
        number(c.rotary().theta()),
        c.rotary().partial() < 1
            ? " on the first " + c.rotary().dims(c.headDim()) + " dims of a head"
            : "");
    out.printf(
        "parameters  %,d%s, %s as %s%s%n",
        f.parameters(),
        f.parameters() < 1_000_000 ? "" : " (" + Table.count(f.parameters()) + ")",
        Table.bytes(f.weightBytes()),
        f.dtypes(),
        c.tiedEmbeddings() ? ", tied embeddings" : "");
    Summary summary = new Summary(c, f.plan(), f.style());
    summary.printPlan(out);
    out.println();
    summary.printMemory(out);
    out.flush();
  }

  /** Whether that is the context of the first training, or what it was. */
  private static String origin(Facts f) {
    if (f.nativeContext() == 0) {
      return "";
    }
    return f.nativeContext() == f.config().maxPositionEmbeddings()
        ? " native"
        : ", lengthened from " + TokenCount.format(f.nativeContext());
  }

  private void printJson(Facts f) {
    ModelConfig c = f.config();
    ObjectNode o = JsonReport.begin("info", common);
    o.put("checkpoint", folder.toString());
    o.put("kind", kind(f));
    o.put("parameters", f.parameters());
    o.put("weight_bytes", f.weightBytes());
    o.put("dtypes", f.dtypes());
    o.put("layers", c.layers());
    o.put("heads", c.heads());
    o.put("kv_heads", c.kvHeads());
    o.put("head_dim", c.headDim());
    o.put("hidden_size", c.hiddenSize());
    o.put("intermediate_size", c.intermediateSize());
    o.put("vocab_size", c.vocabSize());
    o.put("max_position_embeddings", c.maxPositionEmbeddings());
    if (f.nativeContext() > 0) {
      o.put("native_context", f.nativeContext());
    }
    o.put("tied_embeddings", c.tiedEmbeddings());
    new Summary(c, f.plan(), f.style()).put(o);
    JsonReport.print(o, common.out());
  }

  private static String kind(Facts f) {
    if (f.style().isVanilla() && f.plan().isAllFull()) {
      return "Qwen3 Transformer";
    }
    if (f.style().qwen35()) {
      return "Qwen3.5, layer-wise hybrid";
    }
    boolean wholeRows = true;
    for (int l = 0; l < f.plan().layers(); l++) {
      int n = f.plan().fullHeads(l).length;
      wholeRows &= n == 0 || n == f.plan().heads();
    }
    if (f.plan().fullCount() == 0) {
      return f.style().windowed() ? "hybrid, every head windowed" : "hybrid, every head linear";
    }
    return wholeRows ? "layer-wise hybrid" : "head-wise hybrid";
  }

  private static String number(double v) {
    return v == Math.rint(v) ? String.format("%,d", (long) v) : Double.toString(v);
  }
}
