package io.hydrahead.cli;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.server.HydraServer;
import io.hydrahead.server.ServerOptions;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.server.engine.PrefixStore;
import io.hydrahead.server.engine.Scheduler;
import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code hydrahead serve}: the OpenAI API. */
@Command(
    name = "serve",
    description = {
      "Serve a checkpoint over the OpenAI API, until interrupted.",
      "The addresses of its page and of the API go to stdout; one line of JSON a",
      "request, without its text, to stderr. Ctrl-C ends it with exit code 130,",
      "SIGTERM with 0, or 130 where replies had to be cut off after --drain."
    })
@Without({"--seed", "--force"})
final class ServeCommand implements Callable<Integer> {
  private static final String KEY_VARIABLE = "HYDRAHEAD_API_KEY";

  private static final long LEAST_BODY = 1 << 10;
  private static final long MOST_BODY = 1 << 30;

  /** An amount of memory, in MiB where it has no unit. */
  static final class Mebibytes implements ITypeConverter<ByteCount> {
    @Override
    public ByteCount convert(String text) {
      return ByteCount.parse(text.matches("0*[1-9]\\d*") ? text + "M" : text);
    }
  }

  /** Bytes a second at which prefixes are saved at the least. */
  private static final long SLOW_DISK = 20L << 20;

  @Mixin private CommonOptions common;

  @Parameters(paramLabel = "CHECKPOINT", description = "A Hugging Face folder.")
  private Path folder;

  @Option(
      names = "--host",
      paramLabel = "ADDRESS",
      defaultValue = "127.0.0.1",
      description =
          "Where to listen (default: ${DEFAULT-VALUE}); others than this machine's own need a key.")
  private String host;

  @Option(
      names = {"-p", "--port"},
      paramLabel = "N",
      defaultValue = "8080",
      description = "Port; 0 is any that is free (default: ${DEFAULT-VALUE}).")
  private int port;

  @Option(
      names = "--api-key",
      paramLabel = "KEY",
      description =
          "What clients must show; better given as "
              + KEY_VARIABLE
              + " in the environment, where others do not see it.")
  private String apiKey;

  @Option(
      names = "--name",
      paramLabel = "NAME",
      description = "What clients call the model; default: the folder's name.")
  private String name;

  @Option(
      names = "--max-context",
      paramLabel = "N",
      description = "Most tokens of prompt and reply; default: what the model was trained for.")
  private TokenCount maxContext;

  @Option(
      names = "--max-sequences",
      paramLabel = "N",
      defaultValue = "32",
      description = "Most requests that are worked on at once (default: ${DEFAULT-VALUE}).")
  private int maxSequences;

  @Option(
      names = "--max-waiting",
      paramLabel = "N",
      defaultValue = "256",
      description = "Most requests that wait; others get 429 (default: ${DEFAULT-VALUE}).")
  private int maxWaiting;

  @Option(
      names = "--max-body",
      paramLabel = "SIZE",
      defaultValue = "32M",
      converter = Mebibytes.class,
      description =
          "Largest body of a request, such as 512K or 64M; without a unit, MiB (default:"
              + " ${DEFAULT-VALUE}).")
  private ByteCount maxBody;

  @Option(
      names = "--time-limit",
      paramLabel = "SECONDS",
      defaultValue = "1800",
      description = "Longest time for a request (default: ${DEFAULT-VALUE}).")
  private int timeLimit;

  @Option(
      names = "--drain",
      paramLabel = "SECONDS",
      defaultValue = "30",
      description =
          "How long requests may go on after Ctrl-C or SIGTERM (default: ${DEFAULT-VALUE}).")
  private int drain;

  @Option(
      names = "--prefix-dir",
      paramLabel = "FOLDER",
      description =
          "Where beginnings of prompts that were read are kept from one start to the next, for its"
              + " owner's eyes only; default: nowhere.")
  private Path prefixDir;

  @Option(
      names = "--prefix-disk",
      paramLabel = "BYTES",
      description = "Most bytes of them in --prefix-dir, such as 512M (default: 4G).")
  private ByteCount prefixDisk;

  @Override
  public Integer call() throws InterruptedException {
    Sources.config(folder);
    ServerOptions options = options();
    checkName();
    checkPrefixes();
    HydraServer.check(options);
    try (LoadedModel loaded = LoadedModel.open(folder, common)) {
      int context = ServeMemory.context(loaded.model(), maxContext, maxSequences);
      GenerateCommand.introduce(common, folder);
      GenerateCommand.warnBeyondNative(common, loaded.model(), context);
      String served = name == null ? Engine.Options.of(folder).name() : name;
      Engine.Options how = new Engine.Options(served, context, maxSequences, maxWaiting);
      if (prefixDir != null) {
        how = how.prefixes(new PrefixStore(prefixDir, prefixBytes(), common.progress()));
      }
      try (Engine engine = Engine.of(folder, loaded.model(), how, () -> {})) {
        tell("known again", disk(engine).restoredTokens(), engine);
        tellTemplate(engine);
        engine.warmUp();
        HydraServer server = HydraServer.start(engine, options);
        try (server) {
          serve(engine, server);
        }
        tell("saved", disk(engine).savedTokens(), engine);
        return Interrupts.terminated() && server.drained() ? ExitCode.OK : ExitCode.INTERRUPTED;
      }
    }
  }

  private void checkName() {
    if (name != null && (name.isBlank() || name.chars().anyMatch(Character::isISOControl))) {
      throw new InputException(
          "--name is empty or has control characters; give a name that clients can send as"
              + " \"model\", or leave it out for the folder's, '"
              + Engine.Options.of(folder).name()
              + "'");
    }
  }

  private void checkPrefixes() {
    if (prefixDir != null) {
      AtomicFile.requireReady(prefixDir.resolve("prefixes.bin"), true, "--prefix-dir");
      Outputs.requireParent(prefixDir, "--prefix-dir");
    } else if (prefixDisk != null) {
      throw new InputException("--prefix-disk says how much of a folder: give --prefix-dir, too");
    }
  }

  private long prefixBytes() {
    return prefixDisk == null ? PrefixStore.MOST_BYTES : prefixDisk.bytes();
  }

  private static Scheduler.Disk disk(Engine engine) {
    return engine.scheduler().status().caches().disk();
  }

  private void tell(String what, long tokens, Engine engine) {
    if (tokens > 0) {
      String size = Table.bytes(disk(engine).bytes());
      common.notice(
          "hydrahead: %,d tokens of prompts are %s (%s in %s)"
              .formatted(tokens, what, size, prefixDir));
    }
  }

  private void tellTemplate(Engine engine) {
    switch (engine.templateSource()) {
      case "chatml" ->
          common.notice(
              "hydrahead: the checkpoint has no chat_template.jinja; chats are written as ChatML,"
                  + " whose tokens its tokenizer has");
      case "none" ->
          common.notice(
              "hydrahead: the checkpoint has no chat_template.jinja, so it cannot chat; use"
                  + " /v1/completions");
      default -> {}
    }
  }

  private void serve(Engine engine, HydraServer server) throws InterruptedException {
    long saving = prefixDir == null ? 0 : prefixBytes() / SLOW_DISK;
    Interrupts.grace(Duration.ofSeconds(drain + saving + 60));
    Interrupts.pollingBegins();
    try {
      Listening at = Listening.of(server.uri());
      common.out().println("page  " + at.base() + "/");
      common.out().println("api   " + at.base() + "/v1");
      if (common.out().checkError()) {
        throw new InputException(
            "the server's addresses cannot be written to stdout, so nobody would find it; give"
                + " stdout to a file with room, a terminal or /dev/null");
      }
      common.notice(
          "hydrahead: serving '"
              + engine.name()
              + "', up to "
              + TokenCount.format(engine.scheduler().maxContext())
              + " tokens"
              + at.where()
              + "; Ctrl-C stops");
      while (!Interrupts.requested()) {
        Thread.sleep(100);
      }
      common.notice("hydrahead: no new requests; those under way have " + drain + " s to end");
    } finally {
      Interrupts.pollingEnds();
    }
  }

  private ServerOptions options() {
    if (maxBody.bytes() < LEAST_BODY || maxBody.bytes() > MOST_BODY) {
      throw new InputException("--max-body must be from 1K to 1G, not " + maxBody);
    }
    at("--port", port, 0, 65_535);
    at("--max-sequences", maxSequences, 1, 4096);
    at("--max-waiting", maxWaiting, 1, 1_000_000);
    at("--time-limit", timeLimit, 1, 1_000_000);
    at("--drain", drain, 0, 3600);
    ServerOptions options =
        ServerOptions.DEFAULT
            .host(host)
            .port(port)
            .maxBodyBytes(maxBody.bytes())
            .timeLimit(Duration.ofSeconds(timeLimit))
            .drain(Duration.ofSeconds(drain))
            .accessLog(common::notice);
    String key = key(apiKey, System.getenv(KEY_VARIABLE));
    return key == null ? options : options.apiKey(key);
  }

  /**
   * The key that clients must show; null for none. One that is there and empty is a mistake, and
   * never means none: a script whose variable was not filled would else open the server.
   *
   * @param option what {@code --api-key} has; null if it is not there
   * @param variable what the environment has; null if it is not there
   */
  static String key(String option, String variable) {
    String key = option == null ? variable : option;
    String whose = option == null ? KEY_VARIABLE : "--api-key";
    if (key == null) {
      return null;
    }
    if (key.isBlank()) {
      throw new InputException(
          option == null
              ? KEY_VARIABLE + " is set, and empty; give it a key, or unset it to serve without one"
              : "--api-key is empty; give it a key, or leave it out to serve without one");
    }
    if (!key.equals(key.strip()) || !key.chars().allMatch(c -> c >= ' ' && c <= '~')) {
      throw new InputException(
          whose
              + " has white space around it, or characters that no HTTP header can carry; take"
              + " letters, digits and signs of ASCII");
    }
    return key;
  }

  private static void at(String option, int value, int min, int max) {
    if (value < min || value > max) {
      throw new InputException(option + " must be from " + min + " to " + max + ", not " + value);
    }
  }
}
