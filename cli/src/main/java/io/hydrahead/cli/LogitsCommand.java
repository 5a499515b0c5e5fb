package io.hydrahead.cli;

import io.hydrahead.checkpoint.Checkpoint;
import io.hydrahead.checkpoint.SafetensorsWriter;
import io.hydrahead.model.ConfigJson;
import io.hydrahead.model.Session;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code hydrahead logits}: the model's raw answer to given token ids. */
@Command(
    name = "logits",
    description = "Run token ids through a model and save the logits [B, T, V] as safetensors.")
@Without("--seed")
final class LogitsCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Parameters(paramLabel = "CHECKPOINT", description = "A Hugging Face folder.")
  private Path folder;

  @Option(
      names = "--ids",
      required = true,
      paramLabel = "FILE",
      description =
          "JSON: a list of ids, a list of such lists, or an object with one of them as input_ids or"
              + " ids, as tokenize --json prints it.")
  private Path idsFile;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      defaultValue = "logits.safetensors",
      description = "Where to write (default: ${DEFAULT-VALUE}).")
  private Path output;

  @Override
  public Integer call() {
    Outputs.requireFree(common, output, "-o", folder, idsFile);
    int vocabulary =
        ConfigJson.read(Checkpoint.config(folder), folder.resolve("config.json")).vocabSize();
    int[][] ids = TokenIds.read(idsFile, vocabulary);
    try (LoadedModel loaded = LoadedModel.open(folder, common);
        Workspace memory = new Workspace()) {
      Tensor logits = memory.f32(ids.length, ids[0].length, vocabulary);
      fill(loaded, ids, logits);
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      tensors.put("input_ids", idTensor(ids, memory));
      tensors.put("logits", logits);
      SafetensorsWriter.of(tensors)
          .metadata("checkpoint", folder.toString())
          .metadata("commit", BuildInfo.commit())
          .metadata("command", common.commandLine())
          .write(output);
    }
    common.out().println(output);
    return ExitCode.OK;
  }

  private void fill(LoadedModel loaded, int[][] ids, Tensor logits) {
    Progress progress = common.progress();
    int tokens = ids[0].length;
    progress.begin("logits", (long) ids.length * tokens, "tokens");
    try (Session session = loaded.model().newSession(tokens)) {
      for (int b = 0; b < ids.length; b++) {
        Tensor rows = logits.rows(b, 1).view(tokens, logits.dim(2));
        long before = (long) b * tokens;
        session.reset();
        session.prefill(
            ids[b],
            (from, piece) -> {
              progress.throwIfCancelled();
              rows.rows(from, piece.dim(0)).copyFrom(piece);
              progress.advance(before + from + piece.dim(0), "");
            });
      }
    }
    progress.end();
  }

  private static Tensor idTensor(int[][] ids, Workspace memory) {
    Tensor t = memory.allocate(DType.I64, ids.length, ids[0].length);
    MemorySegment s = t.segment();
    long i = 0;
    for (int[] row : ids) {
      for (int id : row) {
        s.setAtIndex(ValueLayout.JAVA_LONG, i++, id);
      }
    }
    return t;
  }
}
