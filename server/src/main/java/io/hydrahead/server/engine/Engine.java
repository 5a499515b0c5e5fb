package io.hydrahead.server.engine;

import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.model.Style;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.plan.MemoryPlan;
import io.hydrahead.serve.BatchOptions;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tokenizer.ChatTemplate;
import io.hydrahead.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Optional;

/**
 * A loaded checkpoint and its scheduler: what a server serves, and what another program embeds.
 *
 * <pre>{@code
 * try (var engine = Engine.open(Path.of("models/tiny-teacher"))) {
 *   engine.scheduler().submit(GenerationRequest.of(engine.tokenizer().encode("…"), 20), listener);
 * }
 * }</pre>
 */
public final class Engine implements AutoCloseable {
  private final String name;
  private final Instant loaded = Instant.now();
  private final ModelConfig config;
  private final HeadPlan plan;
  private final Style style;
  private final DType cacheType;
  private final Tokenizer tokenizer;
  private final Optional<ChatTemplate> template;
  private final boolean ownTemplate;
  private final Scheduler scheduler;
  private final AutoCloseable owned;

  private Engine(
      String name,
      HybridTransformer model,
      Tokenizer tokenizer,
      Path checkpoint,
      Scheduler scheduler,
      AutoCloseable owned) {
    Optional<ChatTemplate> own = ChatTemplate.find(checkpoint);
    this.name = name;
    this.config = model.config();
    this.plan = model.plan();
    this.style = model.style();
    this.cacheType = model.ops().activations();
    this.tokenizer = tokenizer;
    this.ownTemplate = own.isPresent();
    this.template =
        own.isEmpty() && ChatTemplate.knowsChatMl(tokenizer)
            ? Optional.of(ChatTemplate.load(checkpoint, tokenizer))
            : own;
    this.scheduler = scheduler;
    this.owned = owned;
  }

  /**
   * How a model is served.
   *
   * @param name what clients call it
   * @param maxContext most tokens of prompt and reply; 0 for the one that the model was trained for
   * @param maxSequences most requests that are worked on at once
   * @param maxWaiting most requests that wait before others are turned away
   * @param prefixes where what was read of prompts is kept from one start to the next, if anywhere
   */
  public record Options(
      String name,
      int maxContext,
      int maxSequences,
      int maxWaiting,
      Optional<PrefixStore> prefixes) {
    private static final int SEQUENCES = 32;
    private static final int WAITING = 256;

    public Options {
      if (name.isBlank()) {
        throw new InputException(
            "the name of a served model is empty; clients send it as its model");
      }
      if (maxContext < 0 || maxSequences < 1 || maxWaiting < 1) {
        throw new InputException(
            "a served model has a context of at least 0 tokens, which is its own, and room for at"
                + " least one request that runs and one that waits; not %d, %d and %d"
                    .formatted(maxContext, maxSequences, maxWaiting));
      }
    }

    /** Without a place for prefixes. */
    public Options(String name, int maxContext, int maxSequences, int maxWaiting) {
      this(name, maxContext, maxSequences, maxWaiting, Optional.empty());
    }

    /** The same with a place for prefixes. */
    public Options prefixes(PrefixStore store) {
      return new Options(name, maxContext, maxSequences, maxWaiting, Optional.of(store));
    }

    /** Called like its folder, with the context that the model was trained for. */
    public static Options of(Path checkpoint) {
      Path file = checkpoint.toAbsolutePath().normalize().getFileName();
      return new Options(file == null ? "model" : file.toString(), 0, SEQUENCES, WAITING);
    }
  }

  /**
   * Loads a checkpoint on the CPU, as it is stored, with {@link Options#of}. For a GPU, or other
   * options, load the model yourself and give it to {@link #of(Path, HybridTransformer, Options,
   * AutoCloseable)}.
   *
   * @throws InputException naming what is wrong with the folder: no checkpoint, a damaged file, no
   *     tokenizer
   */
  public static Engine open(Path checkpoint) {
    Ops ops = OpsFactory.cpu(OpsOptions.defaults());
    boolean ready = false;
    try {
      HybridTransformer model =
          HybridTransformer.load(checkpoint, ops, ModelFiles.LoadOptions.STORED);
      Engine e =
          of(
              checkpoint,
              model,
              Options.of(checkpoint),
              () -> {
                model.close();
                ops.close();
              });
      ready = true;
      return e;
    } finally {
      if (!ready) {
        ops.close();
      }
    }
  }

  /**
   * Serves a model that is loaded already.
   *
   * @param checkpoint where its tokenizer and chat template are
   * @param owned what is closed with the engine, usually model and operations
   * @throws InputException if the tokenizer or template is missing or wrong, or the memory does not
   *     suffice for one text of the context
   */
  public static Engine of(
      Path checkpoint, HybridTransformer model, Options options, AutoCloseable owned) {
    int context =
        options.maxContext() == 0 ? model.config().maxPositionEmbeddings() : options.maxContext();
    Tokenizer tokenizer = Tokenizer.load(checkpoint);
    return new Engine(
        options.name(), model, tokenizer, checkpoint, scheduler(model, context, options), owned);
  }

  /**
   * Serves a model that is loaded already by a scheduler of the caller's.
   *
   * @param checkpoint where its tokenizer and chat template are
   * @param name what clients call the model
   * @param scheduler is closed with the engine
   * @param owned what is closed after it
   */
  public static Engine of(
      Path checkpoint,
      HybridTransformer model,
      String name,
      Scheduler scheduler,
      AutoCloseable owned) {
    Tokenizer tokenizer = Tokenizer.load(checkpoint);
    return new Engine(name, model, tokenizer, checkpoint, scheduler, owned);
  }

  private static Scheduler scheduler(HybridTransformer model, int context, Options options) {
    return new BatchScheduler(
        model,
        BatchOptions.of(model, options.maxSequences(), context),
        options.maxWaiting(),
        options.prefixes());
  }

  /** What clients call the model. */
  public String name() {
    return name;
  }

  /** When it was loaded. */
  public Instant loaded() {
    return loaded;
  }

  /** Shape and constants of the model. */
  public ModelConfig config() {
    return config;
  }

  /** Which heads are full. */
  public HeadPlan plan() {
    return plan;
  }

  /** How its heads work. */
  public Style style() {
    return style;
  }

  /** What texts take in memory. */
  public MemoryPlan memory() {
    return MemoryPlan.of(config, plan, style, cacheType, cacheType);
  }

  /** What they would take in the Transformer of the same shape, all of whose heads are full. */
  public MemoryPlan vanillaMemory() {
    HeadPlan all = HeadPlan.allFull(config.layers(), config.heads());
    return MemoryPlan.of(config, all, Style.VANILLA, cacheType, cacheType);
  }

  /** Between text and ids. */
  public Tokenizer tokenizer() {
    return tokenizer;
  }

  /** How conversations become prompts; empty if this is no chat model. */
  public Optional<ChatTemplate> template() {
    return template;
  }

  /**
   * Where the template is from: {@code own}, the checkpoint's; {@code chatml}, assumed because it
   * has none and its tokenizer has the tokens of ChatML; {@code none}.
   */
  public String templateSource() {
    return template.isEmpty() ? "none" : ownTemplate ? "own" : "chatml";
  }

  /**
   * Reads and continues a few texts of no meaning, so that the first request finds what else it
   * would have to load and compile: until that makes it no faster, which takes a second or two, or
   * a few steps of a large model. Leaves nothing in the caches. Before requests come.
   *
   * @throws RuntimeException what goes wrong with the model, which would with every request
   */
  public void warmUp() {
    WarmUp.run(this);
  }

  /** What takes requests. */
  public Scheduler scheduler() {
    return scheduler;
  }

  /** Cancels what is being worked on and frees everything. */
  @Override
  public void close() {
    scheduler.close();
    try {
      owned.close();
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
