package io.hydrahead.cli;

import io.hydrahead.checkpoint.Checkpoint;
import io.hydrahead.json.Json;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.Sampler;
import io.hydrahead.model.Session;
import io.hydrahead.model.Style;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ObjectNode;

/** {@code hydrahead generate}: continues a text. */
@Command(
    name = "generate",
    description = {
      "Continue a text, printing it as it comes.",
      "Reads the prompt from PROMPT, a --file, or stdin."
    })
@Without("--force")
final class GenerateCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;
  @Mixin private SamplingOptions sampling;

  @Parameters(index = "0", paramLabel = "CHECKPOINT", description = "A Hugging Face folder.")
  private Path folder;

  @Parameters(index = "1", arity = "0..1", paramLabel = "PROMPT", description = "The text.")
  private String words;

  @Option(names = "--file", paramLabel = "FILE", description = "Read the prompt here; - is stdin.")
  private Path file;

  @Option(names = "--json", description = "Print JSON at the end instead of streaming the text.")
  private boolean json;

  @Override
  public Integer call() {
    Sources.config(folder);
    Sampler sampler = sampling.sampler(common.seed());
    Tokenizer tokenizer = Tokenizer.load(folder);
    String prompt = TextSource.read(words, file, System.in, "prompt");
    int[] ids = tokenizer.encode(prompt);
    try (LoadedModel loaded = LoadedModel.open(folder, common)) {
      ModelConfig config = loaded.model().config();
      int limit = sampling.maxTokens();
      SessionMemory.require(loaded.model(), ids.length + (long) limit, "--max-tokens");
      introduce(common, folder);
      warnBeyondNative(common, loaded.model(), ids.length + (long) limit);
      try (Session session = loaded.model().newSession(capacity(ids.length, limit))) {
        Reply.Voice voice = new Reply.Voice(config, tokenizer, sampler);
        Reply reply =
            Reply.make(
                session, ids, voice, limit, common.progress(), json ? s -> true : common::show);
        return finish(reply);
      }
    }
  }

  private int finish(Reply reply) {
    if (json) {
      ObjectNode o = JsonReport.begin("generate", common);
      o.put("checkpoint", folder.toString());
      o.put("text", reply.text());
      o.set("ids", Json.of(reply.ids()));
      o.put("prompt_tokens", reply.promptTokens());
      o.put("finish", reply.finish());
      JsonReport.print(o, common.out());
    } else {
      common.out().println();
      common.out().flush();
    }
    common.notice(reply.speeds());
    return reply.finish().equals("interrupted") ? ExitCode.INTERRUPTED : ExitCode.OK;
  }

  static int capacity(int prompt, int limit) {
    long all = (long) prompt + limit;
    if (all > Integer.MAX_VALUE / 2) {
      throw new InputException("a prompt of " + prompt + " and " + limit + " tokens do not fit");
    }
    return (int) all;
  }

  /** Says what the model says of itself, where its config.json does: what it can do and cannot. */
  static void introduce(CommonOptions common, Path folder) {
    String about = Checkpoint.config(folder).path("about").asString("").strip();
    if (!about.isEmpty()) {
      common.notice("hydrahead: " + about);
    }
  }

  /** Says what is known of texts longer than the model was trained for, where it may get them. */
  static void warnBeyondNative(CommonOptions common, HybridTransformer model, long tokens) {
    int trained = model.config().maxPositionEmbeddings();
    if (tokens > trained) {
      common.notice(
          "hydrahead: up to %d tokens, the model was trained for %d; %s"
              .formatted(tokens, trained, beyond(model.plan(), model.style())));
    }
  }

  /** What a model of this kind does beyond the lengths of its training. */
  static String beyond(HeadPlan plan, Style style) {
    if (plan.isAllFull() && style.isVanilla()) {
      return "a plain Transformer gets worse beyond it";
    }
    if (plan.fullCount() > 0 && style.fullRotary()) {
      return "its full heads have rotary positions, and such heads get worse beyond it";
    }
    return (plan.fullCount() == 0 ? "linear heads go" : "full heads without positions go")
        + " on beyond it; how well, 'hydrahead eval' tells";
  }
}
