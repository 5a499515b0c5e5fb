package io.hydrahead.cli;

import io.hydrahead.json.Json;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.Sampler;
import io.hydrahead.model.Session;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tokenizer.ChatTemplate;
import io.hydrahead.tokenizer.Tokenizer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code hydrahead chat}: turns as the checkpoint's template writes them; the caches keep what was
 * said.
 */
@Command(
    name = "chat",
    description = {
      "Talk with a model, line by line.",
      "A line is a turn; /reset forgets, /exit or end of input leaves.",
      "In a pipe only replies are printed."
    })
@Without("--force")
final class ChatCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;
  @Mixin private SamplingOptions sampling;

  @Parameters(paramLabel = "CHECKPOINT", description = "A Hugging Face folder.")
  private Path folder;

  @Option(names = "--system", paramLabel = "TEXT", description = "What the model is told first.")
  private String system;

  @Option(
      names = "--max-context",
      paramLabel = "N",
      description = "Room for the conversation in tokens; default: what the model was trained for.")
  private TokenCount maxContext;

  @Option(
      names = "--template-kwargs",
      paramLabel = "JSON",
      description = "Variables for the chat template, such as {\"enable_thinking\": false}.")
  private String variables;

  @Override
  public Integer call() throws IOException {
    Sources.config(folder);
    Sampler sampler = sampling.sampler(common.seed());
    Tokenizer tokenizer = Tokenizer.load(folder);
    ChatTemplate template = ChatTemplate.load(folder, tokenizer);
    ObjectNode extras = extras();
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (LoadedModel loaded = LoadedModel.open(folder, common)) {
      ModelConfig config = loaded.model().config();
      int capacity =
          maxContext == null
              ? config.maxPositionEmbeddings()
              : (int) Math.min(maxContext.tokens(), Integer.MAX_VALUE / 2);
      SessionMemory.require(loaded.model(), capacity, "--max-context");
      GenerateCommand.introduce(common, folder);
      GenerateCommand.warnBeyondNative(common, loaded.model(), capacity);
      Reply.Voice voice = new Reply.Voice(config, tokenizer, sampler);
      try (Session session = loaded.model().newSession(capacity)) {
        return talk(in, new Dialogue(template, tokenizer, system, extras, session), voice, session);
      }
    }
  }

  private int talk(BufferedReader in, Dialogue dialogue, Reply.Voice voice, Session session)
      throws IOException {
    while (true) {
      prompt();
      String line = in.readLine();
      if (line == null || line.strip().equals("/exit")) {
        return ExitCode.OK;
      }
      if (line.strip().equals("/reset")) {
        dialogue.forget();
        continue;
      }
      if (line.isBlank()) {
        continue;
      }
      int[] ids = dialogue.ask(line);
      int room = session.capacity() - session.position() - ids.length;
      if (room < 1) {
        dialogue.takeBack();
        common.notice(
            "hydrahead: the conversation's "
                + session.capacity()
                + " tokens are used up; /reset forgets it, --max-context gives more room");
        if (!common.terminal().interactive()) {
          return ExitCode.BAD_INPUT;
        }
        continue;
      }
      Reply reply =
          Reply.make(
              session,
              ids,
              voice,
              Math.min(sampling.maxTokens(), room),
              common.progress(),
              common::show);
      dialogue.answer(reply);
      common.out().println();
      common.out().flush();
      if (common.terminal().interactive()) {
        common.notice(reply.speeds());
      }
      if (reply.unread()) {
        return ExitCode.OK; // what became of the data is told at the end
      }
      if (reply.finish().equals("interrupted")) {
        return ExitCode.INTERRUPTED;
      }
    }
  }

  private ObjectNode extras() {
    if (variables == null) {
      return Json.object();
    }
    if (Json.parse(variables, "--template-kwargs") instanceof ObjectNode o) {
      return o;
    }
    throw new InputException(
        "--template-kwargs "
            + variables
            + ": write an object, such as {\"enable_thinking\": false}");
  }

  private void prompt() {
    if (common.terminal().interactive() && !common.quiet()) {
      common.terminal().err().print("> ");
      common.terminal().err().flush();
    }
  }
}
