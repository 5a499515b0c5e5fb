package io.hydrahead.cli;

import com.sun.management.OperatingSystemMXBean;
import io.hydrahead.model.CachePool;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.SequenceCache;
import io.hydrahead.plan.MemoryPlan;
import io.hydrahead.serve.BatchEngine;
import io.hydrahead.serve.BatchOptions;
import io.hydrahead.serve.BatchSequence;
import io.hydrahead.serve.BatchStats;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Memory;
import io.hydrahead.tensor.Progress;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CancellationException;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * How many texts of a length fit into the same memory of caches and states with each plan, and how
 * fast that many are continued at once. Straight at the engine; so that long prompts need not be
 * read, their caches hold noise unless reading is asked for.
 */
final class ServeCapacity {
  /** Steps before times count: kernels are loaded, steps are recorded. */
  static final int WARM_STEPS = 4;

  /** Of a device's free memory: for the buffers of a step. */
  private static final long DEVICE_RESERVE = 4L << 30;

  /** Where nobody said how much of the host's memory. */
  private static final long HOST_BYTES = 1L << 30;

  /** Most texts that are continued at once, however many fit. */
  private static final int MOST = 4096;

  private static final int SNAPSHOTS = 4096;
  private static final int READ_PIECE = 2048;

  private final ServeFigures bench;
  private final Progress progress;
  private final ServeBenchOptions options;
  private final ArrayNode figures;
  private final Table table =
      new Table(
          "capacity",
          "prompt",
          "reply",
          "a text takes",
          "fit",
          "of the first plan",
          "at once",
          "keys, values of all",
          "states of all",
          "ms a step",
          "tokens/s");

  /** What is said of plans and lengths of which nothing fits. */
  private final List<String> tooLarge = new ArrayList<>();

  /** Texts that fit with the plan that was measured first, by length. */
  private final Map<Integer, Integer> first = new HashMap<>();

  ServeCapacity(ServeFigures bench, ServeBenchOptions options, ArrayNode figures) {
    this.bench = bench;
    this.progress = bench.common().progress();
    this.options = options;
    this.figures = figures;
  }

  /**
   * A row for every plan and length.
   *
   * @throws InputException if there is not so much memory
   */
  void run(int[] lengths) {
    bench.introduce();
    long memory = options.memory() == null ? left() : options.memory().bytes();
    requireMachineHas(memory);
    PrintWriter out = bench.common().out();
    out.printf(Locale.ROOT, "%,d bytes (%s) of caches and states%n", memory, Table.bytes(memory));
    out.println(
        options.read()
            ? "prompts of random tokens, which were read"
            : "prompts were not read: keys, values and states are noise");
    out.println(
        "a text takes keys and values in whole blocks of %d tokens, and its states; a block and states"
                .formatted(CachePool.BLOCK)
            + " more are nobody's");
    out.flush();
    for (BenchCommand.PlanName plan : bench.plans()) {
      try (HybridTransformer model = bench.model(plan)) {
        for (int length : lengths) {
          Room room = Room.of(model, memory, length + options.reply());
          first.putIfAbsent(length, room.texts);
          Speed speed = new Speed(0, 0, 0, 0);
          if (room.texts > 0) {
            speed =
                measure(model, room, length, "capacity " + plan + " " + TokenCount.format(length));
          }
          add(plan, length, memory, room, speed);
          if (room.texts == 0) {
            tooLarge.add(tooLarge(plan, length, memory, room));
          }
        }
      }
    }
    table.print(out);
    tooLarge.forEach(out::println);
    out.flush();
  }

  private String tooLarge(BenchCommand.PlanName plan, int length, long memory, Room room) {
    return "%s: not one text of %s and %d fits into %s; one takes --memory %d (%s, of which %s are nobody's)"
        .formatted(
            plan,
            TokenCount.format(length),
            options.reply(),
            Table.bytes(memory),
            room.least,
            Table.bytes(room.least),
            Table.bytes(room.least - room.bytes));
  }

  /** A device says so itself; the host gives pages until it has none, and ends the process. */
  private void requireMachineHas(long memory) {
    if (bench.ops().memory().host()
        && ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean machine
        && memory > machine.getTotalMemorySize()) {
      throw new InputException(
          "--memory %s is more than the %s of this machine or container"
              .formatted(Table.bytes(memory), Table.bytes(machine.getTotalMemorySize())));
    }
  }

  /** What the plan with the largest weights leaves: the same for all. */
  private long left() {
    Memory where = bench.ops().memory();
    long free = where.freeBytes();
    if (where.host()) {
      return Math.min(HOST_BYTES, free);
    }
    long weights = 0;
    for (BenchCommand.PlanName plan : bench.plans()) {
      ModelConfig c = bench.config();
      DType cache = bench.ops().activations();
      MemoryPlan m = MemoryPlan.of(c, plan.plan(c), plan.style(c), bench.type(), cache);
      weights = Math.max(weights, m.parameterBytes());
    }
    long left = free - weights - DEVICE_RESERVE;
    if (left <= 0) {
      throw new InputException(
          "%s has %s free: that is too little for %s of weights and buffers; take a smaller --shape"
              .formatted(where, Table.bytes(free), Table.bytes(weights + DEVICE_RESERVE)));
    }
    return left;
  }

  /**
   * Texts that fit.
   *
   * @param bytes of one text, its blocks and its slot
   * @param least memory for one text
   */
  private record Room(int texts, int blocks, long bytes, long least) {
    /** Besides the texts' there are a block and a slot of nobody. */
    static Room of(HybridTransformer model, long memory, int tokens) {
      int blocks = SequenceCache.blocksOf(tokens);
      long block = CachePool.blockBytes(model);
      long slot = CachePool.slotBytes(model, tokens);
      long one = blocks * block + slot;
      long texts = Math.max(0, memory - block - slot) / one;
      int most = Integer.MAX_VALUE / blocks;
      return new Room((int) Math.min(texts, most), blocks, one, one + block + slot);
    }

    /** At once. */
    int run() {
      return Math.min(texts, MOST);
    }
  }

  /**
   * @param kvBytes of the blocks that the texts had
   * @param stateBytes of their slots
   */
  private record Speed(long kvBytes, long stateBytes, double millis, double tokensPerSecond) {}

  private Speed measure(HybridTransformer model, Room room, int length, String what) {
    int reply = options.reply();
    int n = room.run();
    CachePool.Size pools =
        new CachePool.Size(Math.multiplyExact(n, room.blocks), n, length + reply);
    int piece = options.read() ? READ_PIECE : CachePool.BLOCK;
    BatchOptions how = new BatchOptions(n, length + reply, piece, pools, false, SNAPSHOTS);
    try (BatchEngine engine = new BatchEngine(model, how)) {
      List<BatchSequence> texts = new ArrayList<>();
      SplittableRandom random = new SplittableRandom(length);
      progress.begin(what + (options.read() ? ", reading" : ", filling"), n, "texts");
      while (texts.size() < n) {
        texts.add(options.read() ? read(engine, random, model, length) : noise(engine, length));
        advance(texts.size());
      }
      progress.end();
      progress.begin(what, reply, "steps");
      int vocabulary = model.config().vocabSize();
      texts.forEach(t -> t.next(random.nextInt(vocabulary)));
      double[] millis = new double[reply];
      int steps = 0;
      long start = 0;
      long end = Long.MAX_VALUE;
      while (steps < reply && (steps <= WARM_STEPS || System.nanoTime() < end)) {
        if (steps == WARM_STEPS) {
          start = System.nanoTime();
          end = start + (long) (bench.seconds() * 1e9);
        }
        if (steps > 0) {
          texts.forEach(t -> t.next(t.best()));
        }
        long from = System.nanoTime();
        engine.step(texts, null);
        texts.getFirst().best(); // waits for a device
        millis[Math.max(0, steps - WARM_STEPS)] = (System.nanoTime() - from) / 1e6;
        steps++;
        advance(steps);
      }
      progress.end();
      int timed = steps - WARM_STEPS;
      BatchStats stats = engine.stats();
      return new Speed(
          stats.kvBytes(),
          stats.stateBytes(),
          Median.of(millis, timed),
          (double) n * timed / ((System.nanoTime() - start) / 1e9));
    }
  }

  private BatchSequence noise(BatchEngine engine, int length) {
    return engine.pretend(length, options.reply()).orElseThrow();
  }

  private BatchSequence read(
      BatchEngine engine, SplittableRandom random, HybridTransformer model, int length) {
    int[] prompt = random.ints(length, 0, model.config().vocabSize()).toArray();
    BatchSequence text = engine.open(prompt, options.reply(), false).orElseThrow();
    while (text.reading()) {
      engine.step(List.of(), text);
      requireGoOn();
    }
    return text;
  }

  private void advance(long done) {
    progress.advance(done, "");
    requireGoOn();
  }

  private void requireGoOn() {
    if (progress.cancelled()) {
      throw new CancellationException("interrupted");
    }
  }

  private void add(BenchCommand.PlanName plan, int length, long memory, Room room, Speed speed) {
    double times = (double) room.texts / first.get(length);
    boolean known = first.get(length) > 0;
    table.row(
        plan,
        TokenCount.format(length),
        options.reply(),
        Table.bytes(room.bytes),
        room.texts,
        known ? String.format(Locale.ROOT, "%.1f×", times) : "–",
        room.run(),
        Table.bytes(speed.kvBytes),
        Table.bytes(speed.stateBytes),
        room.texts == 0 ? "–" : ServeFigures.millis(speed.millis),
        room.texts == 0 ? "–" : Math.round(speed.tokensPerSecond));
    ObjectNode o = bench.figure(figures, "CAPACITY", plan);
    o.put("tokens", length).put("reply", options.reply());
    o.put("memory_bytes", memory).put("text_bytes", room.bytes);
    o.put("texts", room.texts).put("texts_at_once", room.run());
    if (known) {
      o.put("of_first_plan", times);
    }
    o.put("prompts", options.read() ? "read" : "noise");
    o.put("kv_bytes", speed.kvBytes).put("state_bytes", speed.stateBytes);
    o.put("step_ms", speed.millis).put("tokens_per_second", speed.tokensPerSecond);
  }
}
