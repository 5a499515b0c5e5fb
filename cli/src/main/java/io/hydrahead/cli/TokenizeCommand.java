package io.hydrahead.cli;

import io.hydrahead.tensor.InputException;
import io.hydrahead.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code hydrahead tokenize}: text to token ids and back. */
@Command(
    name = "tokenize",
    description = {
      "Turn text into token ids, or back with --decode.",
      "Reads TEXT, a --file, or stdin; prints the ids on one line."
    })
@Without({"--device", "--threads", "--dtype", "--blas", "--deterministic", "--seed", "--force"})
final class TokenizeCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Parameters(index = "0", paramLabel = "CHECKPOINT", description = "Folder with tokenizer.json.")
  private Path folder;

  @Parameters(
      index = "1",
      arity = "0..1",
      paramLabel = "TEXT",
      description = "The text; with --decode the ids.")
  private String words;

  @Option(names = "--file", paramLabel = "FILE", description = "Read the text here; - is stdin.")
  private Path file;

  @Option(names = "--decode", description = "Ids in, text out.")
  private boolean decode;

  @Option(
      names = "--plain",
      description = "Take special tokens such as <|im_end|> in the text as plain text.")
  private boolean plain;

  @Option(names = "--json", description = "Print JSON: ids and the text of each.")
  private boolean json;

  @Override
  public Integer call() {
    Tokenizer tokenizer = Tokenizer.load(folder);
    String text = TextSource.read(words, file, System.in, decode ? "list of ids" : "text");
    if (decode) {
      int[] ids = ids(text, tokenizer.vocabSize());
      if (json) {
        printJson(tokenizer, ids);
      } else {
        common.out().print(tokenizer.decode(ids));
        common.out().println();
      }
    } else {
      int[] ids = tokenizer.encode(text, !plain);
      if (json) {
        printJson(tokenizer, ids);
      } else {
        common
            .out()
            .println(Arrays.stream(ids).mapToObj(String::valueOf).collect(Collectors.joining(" ")));
      }
    }
    common.out().flush();
    return ExitCode.OK;
  }

  private void printJson(Tokenizer tokenizer, int[] ids) {
    ObjectNode o = JsonReport.begin("tokenize", common);
    o.put("checkpoint", folder.toString());
    ArrayNode list = o.putArray("ids");
    ArrayNode tokens = o.putArray("tokens");
    for (int id : ids) {
      list.add(id);
      tokens.add(tokenizer.decode(new int[] {id}));
    }
    o.put("text", tokenizer.decode(ids));
    JsonReport.print(o, common.out());
  }

  private static int[] ids(String text, int vocabulary) {
    String[] words = text.replaceAll("[\\[\\],]", " ").strip().split("\\s+");
    int[] ids = new int[words.length];
    for (int i = 0; i < ids.length; i++) {
      try {
        ids[i] = Integer.parseInt(words[i]);
      } catch (NumberFormatException e) {
        throw new InputException(
            "--decode: '" + words[i] + "' is no token id; give numbers, such as '17 4 250'");
      }
      if (ids[i] < 0 || ids[i] >= vocabulary) {
        throw new InputException(
            "--decode: token id " + ids[i] + " is outside the vocabulary 0…" + (vocabulary - 1));
      }
    }
    return ids;
  }
}
