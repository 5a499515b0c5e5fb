package io.hydrahead.serve;

import io.hydrahead.model.BatchStep;
import io.hydrahead.model.CachePool;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.LogitsSink;
import io.hydrahead.model.ModelFingerprint;
import io.hydrahead.model.Sampler;
import io.hydrahead.model.SequenceCache;
import io.hydrahead.ops.Environment;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Several texts on one model at once. A step decodes a token of each of some of them and reads a
 * piece of the prompt of another; prompts that begin alike are read once.
 *
 * <p>A text is admitted only if there is room for all that it may become, so that none ever has to
 * wait in the middle. Used by one thread.
 */
public final class BatchEngine implements AutoCloseable {
  private final HybridTransformer model;
  private final BatchOptions options;
  private final CachePool pool;
  private final BatchStep steps;

  /** For what is read in the pauses of a step; null where only one text can be open. */
  private final BatchStep between;

  private final PrefixCache prefixes;
  private final PrefixKeeper keeper;
  private final boolean deterministic;
  private final List<BatchSequence> open = new ArrayList<>();

  /** Blocks that open texts may still take. */
  private int reserved;

  private long step;
  private long stepBetween;
  private boolean paused;

  /** Whether blocks and slots were filled for {@link #pretend}. */
  private boolean noisy;

  /**
   * Takes the pools and the buffers of a step.
   *
   * @param model stays the caller's to close, afterwards
   * @throws InputException if the memory does not suffice
   */
  public BatchEngine(HybridTransformer model, BatchOptions options) {
    this.model = model;
    this.options = options;
    deterministic = model.ops().deterministic();
    if (options.pools().slots() < options.maxSequences()) {
      throw new InputException(
          options.pools().slots()
              + " slots for "
              + options.maxSequences()
              + " sequences are too few");
    }
    pool = new CachePool(model, options.pools());
    int piece = Math.min(options.piece(), options.maxContext());
    steps =
        new BatchStep(
            pool, new BatchStep.Limits(options.maxSequences(), options.maxContext(), piece));
    between =
        options.maxSequences() == 1
            ? null
            : new BatchStep(pool, new BatchStep.Limits(1, options.maxContext(), piece));
    boolean recurrent = CachePool.recurrent(model);
    prefixes = new PrefixCache(pool, recurrent, options.pools().slots() - options.maxSequences());
    keeper = new PrefixKeeper(pool, prefixes, recurrent, deterministic, options.snapshotEvery());
  }

  /** Most tokens of a text, prompt and reply. */
  public int largestContext() {
    return (int) Math.min(options.maxContext(), (long) pool.blocks() * CachePool.BLOCK);
  }

  /**
   * Begins a text, if there is room for it now.
   *
   * @param prompt at least one id
   * @param maxNew most tokens that {@link BatchSequence#next} may add
   * @param reuse whether a prefix that is known need not be read again, and what is read is kept
   * @return empty if the text has to wait until another is closed
   * @throws InputException if it can never be, with the largest length that can
   */
  public Optional<BatchSequence> open(int[] prompt, int maxNew, boolean reuse) {
    requireIds(prompt);
    requireFits(prompt.length, maxNew);
    int length = prompt.length + maxNew;
    if (open.size() == options.maxSequences()) {
      return Optional.empty();
    }
    boolean cached = reuse && options.prefixCache();
    PrefixCache.Match match =
        cached ? prefixes.match(prompt, prompt.length) : PrefixCache.Match.NONE;
    int wanted = SequenceCache.blocksOf(length) - match.blocks().length;
    SequenceCache cache = cache(match, wanted);
    if (cache == null) {
      if (cached) {
        prefixes.unmatch(match);
      }
      return Optional.empty();
    }
    if (cached) {
      tell(prompt.length, match);
    }
    return Optional.of(
        admit(
            new BatchSequence(
                this, cache, cached, prompt.clone(), prompt.length, length, match.branch())));
  }

  private void tell(int prompt, PrefixCache.Match match) {
    CacheLookupEvent event = new CacheLookupEvent();
    if (event.shouldCommit()) {
      event.model = model.label();
      event.promptTokens = prompt;
      event.cachedTokens = match.blocks().length * CachePool.BLOCK;
      event.restoredTokens = match.restored() * CachePool.BLOCK;
      event.cacheBytes = pool.kvBytesInUse() + pool.stateBytesInUse();
      event.commit();
    }
  }

  private void requireFits(int prompt, int maxNew) {
    if (prompt < 1 || maxNew < 0 || (long) prompt + maxNew > largestContext()) {
      throw new InputException(
          "a prompt of %,d tokens and a reply of %,d: together at least 1 and at most %,d fit"
              .formatted(prompt, maxNew, largestContext()));
    }
  }

  private void requireIds(int[] ids) {
    int v = model.config().vocabSize();
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] < 0 || ids[i] >= v) {
        throw new InputException(
            "token id " + ids[i] + " at place " + i + " is outside the vocabulary 0…" + (v - 1));
      }
    }
  }

  private BatchSequence admit(BatchSequence s) {
    open.add(s);
    reserved += SequenceCache.blocksOf(s.most) - s.cache.blocks();
    return s;
  }

  /**
   * For benchmarks: a text of which nothing was read, with noise for keys, values and states. All
   * that the engine knew of prefixes is lost the first time.
   *
   * @param tokens of the prompt that it pretends to have read, at least one
   * @param maxNew most tokens that {@link BatchSequence#next} may add
   * @return empty if there is no room now
   * @throws InputException if there can never be
   * @throws IllegalStateException the first time, while other texts are open
   */
  public Optional<BatchSequence> pretend(int tokens, int maxNew) {
    requireFits(tokens, maxNew);
    if (!noisy && !open.isEmpty()) {
      throw new IllegalStateException("noise would overwrite the caches of texts that are open");
    }
    if (!noisy) {
      prefixes.clear();
      pool.fillWithNoise();
      noisy = true;
    }
    int length = tokens + maxNew;
    boolean room = pool.freeBlocks() - reserved >= SequenceCache.blocksOf(length);
    if (!room || open.size() == options.maxSequences() || pool.freeSlots() == 0) {
      return Optional.empty();
    }
    SequenceCache cache = SequenceCache.unread(pool, tokens);
    return Optional.of(
        admit(new BatchSequence(this, cache, false, new int[tokens], tokens, length, 0)));
  }

  /** What is known, shared, with {@code wanted} more blocks to be had; null if they are not. */
  private SequenceCache cache(PrefixCache.Match match, int wanted) {
    // Shared at once, so that making room does not take them.
    for (int b : match.blocks()) {
      pool.share(b);
    }
    try {
      int missing = wanted - (pool.freeBlocks() - reserved);
      if (missing > 0 && prefixes.evictBlocks(missing) < missing) {
        return null;
      }
      int state = match.snapshot();
      // The snapshot that was just found is the last to go; then its slot itself is taken over.
      if (pool.freeSlots() == 0 && !keeper.freeSlot(open)) {
        return null;
      }
      return match.blocks().length == 0
          ? new SequenceCache(pool)
          : new SequenceCache(pool, match.blocks(), state);
    } finally {
      for (int b : match.blocks()) {
        pool.giveBack(b);
      }
    }
  }

  BatchSequence fork(BatchSequence s, int maxNew) {
    int position = s.cache.position();
    int length = position + maxNew;
    if (s.closed || s.busy || s.reading() || maxNew < 0 || length > largestContext()) {
      throw new IllegalStateException(
          "no copy of " + position + " tokens with " + maxNew + " more");
    }
    int wanted = SequenceCache.blocksOf(length) - position / CachePool.BLOCK;
    int missing = wanted - (pool.freeBlocks() - reserved);
    boolean room = open.size() < options.maxSequences();
    room = room && (missing <= 0 || prefixes.evictBlocks(missing) >= missing);
    if (!room || pool.freeSlots() == 0 && !keeper.freeSlot(open)) {
      throw new IllegalStateException("there is no room for another text now");
    }
    return admit(
        new BatchSequence(
            this, s.cache.fork(), s.cached, Arrays.copyOf(s.ids, position), s.prompt, length, 0));
  }

  /** A step with the largest piece, without a look at the logits of the prompt's tokens. */
  public void step(List<BatchSequence> decoding, BatchSequence reading) {
    step(decoding, reading, options.piece(), null, null);
  }

  /**
   * One step.
   *
   * @param decoding texts that each read the token that was set by {@link BatchSequence#next}
   * @param reading a text whose prompt is read on by a piece; null for none
   * @param most tokens that the piece has at most, a positive multiple of {@link CachePool#BLOCK}
   *     up to the largest piece: a small one where others wait
   * @param sink sees the logits of the piece's tokens; or null
   * @param pause is run now and then in the midst of a step with a piece: it may open other texts,
   *     {@linkplain #readInPause read} their prompts, copy and close them; or null
   */
  public void step(
      List<BatchSequence> decoding,
      BatchSequence reading,
      int most,
      LogitsSink sink,
      Runnable pause) {
    if (paused) {
      throw new IllegalStateException("another step is under way");
    }
    if (most < 1 || most > options.piece() || most % CachePool.BLOCK != 0) {
      throw new IllegalArgumentException(
          "a piece of " + most + " of " + options.piece() + " tokens");
    }
    List<SequenceCache> caches = new ArrayList<>(decoding.size());
    int[] next = new int[decoding.size()];
    for (int i = 0; i < next.length; i++) {
      BatchSequence s = decoding.get(i);
      if (s.closed || s.busy || s.reading() || s.known == s.cache.position()) {
        throw new IllegalStateException("a text that is to be continued has no next token");
      }
      next[i] = s.ids[s.cache.position()];
      reserved -= s.cache.reserve(s.cache.position() + 1);
      caches.add(s.cache);
    }
    int[] piece = reading == null ? new int[0] : takePiece(reading, most);
    step++; // from now on the last step's logits are void
    busy(decoding, reading, true);
    try {
      steps.run(
          reading == null ? null : reading.cache,
          piece,
          caches,
          next,
          sink,
          pause == null || between == null ? null : () -> pause(pause));
    } finally {
      busy(decoding, reading, false);
    }
    for (int i = 0; i < next.length; i++) {
      decoding.get(i).took(i, steps, step);
      keeper.decoded(decoding.get(i));
    }
    if (reading != null) {
      reading.took(-1, steps, step);
      keeper.read(reading);
    }
  }

  private static void busy(List<BatchSequence> decoding, BatchSequence reading, boolean value) {
    decoding.forEach(s -> s.busy = value);
    if (reading != null) {
      reading.busy = value;
    }
  }

  private void pause(Runnable action) {
    paused = true;
    try {
      action.run();
    } finally {
      paused = false;
    }
  }

  /** The next piece of a prompt, for which there are blocks now. */
  private int[] takePiece(BatchSequence s, int most) {
    if (s.closed || s.busy || !s.reading()) {
      throw new IllegalStateException("nothing is left to read of the prompt");
    }
    int from = s.cache.position();
    int[] piece = Arrays.copyOfRange(s.ids, from, keeper.pieceEnd(s, from, most));
    reserved -= s.cache.reserve(from + piece.length);
    return piece;
  }

  /**
   * Reads on a prompt by the largest piece while another step pauses.
   *
   * @param s a text that does not belong to that step
   * @param sink sees the logits of the piece's tokens; or null
   * @throws IllegalStateException outside of a pause
   */
  public void readInPause(BatchSequence s, LogitsSink sink) {
    if (!paused) {
      throw new IllegalStateException("no step is under way");
    }
    int[] piece = takePiece(s, options.piece());
    stepBetween++;
    between.run(s.cache, piece, List.of(), new int[0], sink, null);
    s.took(-1, between, stepBetween);
    keeper.read(s);
  }

  /** Most tokens of a prompt that a step reads. */
  public int piece() {
    return options.piece();
  }

  /** Tokens computed so far, of prompts and replies; of a step that pauses, what is done of it. */
  public double computedTokens() {
    return steps.tokens() + (between == null ? 0 : between.tokens());
  }

  /**
   * Samples the next token of each of {@code texts}, all of which the last step, of the same kind,
   * decoded or ended the prompt of. On a GPU far cheaper than {@link BatchSequence#logits} of each,
   * whose values need not come to the host; with the same seeds it makes other choices, from the
   * same distributions.
   *
   * @param samplers one for each
   */
  public int[] sample(List<BatchSequence> texts, List<Sampler> samplers) {
    if (texts.isEmpty()) {
      return new int[0];
    }
    List<BatchStep> by = texts.stream().map(BatchSequence::requireStep).distinct().toList();
    if (by.size() > 1) {
      throw new IllegalStateException("texts of a step and of its pause are sampled apart");
    }
    int[] places = texts.stream().mapToInt(BatchSequence::place).toArray();
    return by.getFirst().sample(places, samplers);
  }

  /** Whether {@code number} is that of the last step by {@code by}. */
  boolean isLast(BatchStep by, long number) {
    return number == (by == steps ? step : stepBetween);
  }

  void close(BatchSequence s) {
    if (s.closed) {
      return;
    }
    if (s.busy) {
      throw new IllegalStateException("a text cannot end in the midst of its step");
    }
    s.closed = true;
    open.remove(s);
    reserved -= SequenceCache.blocksOf(s.most) - s.cache.blocks();
    keeper.ended(s);
    s.cache.close();
  }

  /** How things stand. */
  public BatchStats stats() {
    return new BatchStats(
        open.size(),
        (long) (pool.blocks() - pool.freeBlocks()) * CachePool.BLOCK,
        pool.kvBytesInUse(),
        prefixes.blocks() * CachePool.blockBytes(model),
        pool.blocks() * CachePool.blockBytes(model),
        pool.stateBytesInUse(),
        prefixes.snapshots() * pool.slotBytes(),
        pool.slots() * pool.slotBytes(),
        prefixes.lookups(),
        prefixes.hits(),
        prefixes.cachedTokens(),
        prefixes.restoredTokens(),
        prefixes.evictedBlocks(),
        prefixes.evictedSnapshots());
  }

  /**
   * Saves what is known of prefixes, for a later engine of the same model. Takes as much disk as
   * {@link BatchStats#kvBytesCached} and {@link BatchStats#stateBytesCached} say.
   *
   * @throws InputException naming the file and a fix, if it cannot be written; an earlier one stays
   */
  public void savePrefixes(Path file) {
    savePrefixes(file, Long.MAX_VALUE, Progress.SILENT);
  }

  /**
   * Likewise, with a bound. The file, which has the ids of prompts, is for its owner's eyes only.
   *
   * @param mostBytes of the file, but for its beginning; the least recently used prefixes are left
   *     out
   * @param progress hears of it, and is not asked to stop
   * @return tokens saved
   */
  public int savePrefixes(Path file, long mostBytes, Progress progress) {
    return prefixFile().write(file, prefixes, mostBytes, progress);
  }

  /**
   * Whether texts have added to the known prefixes. What is restored does not count: it is in a
   * file already.
   */
  public boolean hasNewPrefixes() {
    return prefixes.made() > 0;
  }

  /**
   * Takes what an engine of the same model has saved, as far as there is room.
   *
   * @return tokens that are known now and were not before
   * @throws InputException naming the file and what is wrong with it: damaged, or of another model
   *     or build, or, in deterministic mode, of another machine or number of threads
   */
  public int restorePrefixes(Path file) {
    return restorePrefixes(file, Progress.SILENT);
  }

  /**
   * Likewise.
   *
   * @throws java.util.concurrent.CancellationException if {@code progress} asks to stop
   */
  public int restorePrefixes(Path file, Progress progress) {
    return prefixFile().read(file, prefixes, pool.freeBlocks() - reserved, progress);
  }

  /**
   * A name for the file of this model's prefixes, by which models that share a folder tell theirs
   * apart; so do a deterministic engine and another.
   */
  public String prefixFileName() {
    String model16 = ModelFingerprint.of(model).substring(0, 16);
    return "prefixes-" + model16 + (deterministic ? "-deterministic" : "") + ".bin";
  }

  private PrefixFile prefixFile() {
    String machine =
        deterministic ? Environment.of(model.ops()).toString() : "build " + Environment.buildHash();
    return new PrefixFile(pool, ModelFingerprint.of(model), machine);
  }

  /** Forgets all prefixes that no open text has. */
  public void forgetPrefixes() {
    prefixes.clear();
  }

  CachePool pool() {
    return pool;
  }

  /** Frees everything; open texts are void. */
  @Override
  public void close() {
    steps.close();
    if (between != null) {
      between.close();
    }
    pool.close();
  }
}
