package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.attention.KvPages;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.util.Arrays;

/**
 * What several sequences remember, in two pools: blocks of {@link #BLOCK} tokens with the keys and
 * values of all layers' kept KV heads, and slots with what does not grow with the text: the float32
 * recurrent states, and the last inputs of the short convolutions, of all layers' linear heads, or
 * what the windows of windowed heads leave of their keys and values.
 *
 * <p>Blocks are shared and counted: whoever shares one gives it back. A block that is shared is
 * never written again, since sequences share whole blocks only. Slots belong to one at a time.
 * Block 0 and slot 0 are nobody's: rows that only fill up a batch write there. Used by one thread.
 */
public final class CachePool implements AutoCloseable {
  /** Tokens a block. */
  public static final int BLOCK = KvPages.TOKENS;

  /** Elements to whose multiples a layer's part of a slot is aligned. */
  private static final long ALIGNMENT = 64;

  /**
   * How large the pools are.
   *
   * @param blocks of all sequences together, and of what is kept for later ones
   * @param slots likewise
   * @param context most tokens of a sequence: what a window holds is no more
   */
  public record Size(int blocks, int slots, int context) {
    /** Of sequences that may have all blocks. */
    public Size(int blocks, int slots) {
      this(blocks, slots, (int) Math.min(Integer.MAX_VALUE, (long) blocks * BLOCK));
    }

    public Size {
      if (blocks < 1 || slots < 1) {
        throw new IllegalArgumentException("pools need a block and a slot at least: " + blocks);
      }
    }
  }

  private final HybridTransformer model;
  private final int context;
  private final Workspace memory;
  private final Tensor blocks;
  private final Tensor slots;
  private final int[] references;
  private final int[] freeBlocks;
  private int freeBlockCount;
  private final int[] freeSlots;
  private final boolean[] slotTaken;
  private int freeSlotCount;

  /**
   * Takes the memory of both pools.
   *
   * @throws InputException if there is not so much memory
   */
  public CachePool(HybridTransformer model, Size size) {
    this.model = model;
    context = size.context;
    requireMemory(model, size);
    memory = new Workspace(model.ops().memory());
    blocks = memory.allocate(model.ops().activations(), size.blocks + 1, blockElements(model));
    slots = memory.allocate(slotType(model), size.slots + 1, slotElements(model, context));
    blocks.rows(0, 1).fill(0f);
    slots.rows(0, 1).fill(0f);
    references = new int[size.blocks + 1];
    freeBlocks = countDown(size.blocks);
    freeBlockCount = size.blocks;
    freeSlots = countDown(size.slots);
    slotTaken = new boolean[size.slots + 1];
    freeSlotCount = size.slots;
  }

  private static int[] countDown(int n) {
    int[] ids = new int[n];
    Arrays.setAll(ids, i -> n - i);
    return ids;
  }

  private static void requireMemory(HybridTransformer model, Size size) {
    long free = model.ops().memory().freeBytes();
    long wanted = size.blocks * blockBytes(model) + size.slots * slotBytes(model, size.context);
    if (wanted > free) {
      throw new InputException(
          "%,d tokens and %d recurrent states take %.2f GB, %s has %.2f GB free: ask for fewer"
              .formatted(
                  (long) size.blocks * BLOCK,
                  size.slots,
                  wanted / 1e9,
                  model.ops().memory(),
                  free / 1e9));
    }
  }

  /** Whether a model has heads that are not full, whose states a slot holds. */
  public static boolean recurrent(HybridTransformer model) {
    return model.plan().fullCount() < model.config().layers() * model.config().heads();
  }

  /** Bytes of a block. */
  public static long blockBytes(HybridTransformer model) {
    return blockElements(model) * model.ops().activations().bytes();
  }

  /** Bytes of a slot of texts of at most {@code context} tokens. */
  public static long slotBytes(HybridTransformer model, int context) {
    return slotElements(model, context) * slotType(model).bytes();
  }

  /** Bytes of a slot. */
  public long slotBytes() {
    return slotBytes(model, context);
  }

  private static DType slotType(HybridTransformer model) {
    return model.style().windowed() ? model.ops().activations() : DType.F32;
  }

  private static long blockElements(HybridTransformer model) {
    long sum = 0;
    for (int l = 0; l < model.config().layers(); l++) {
      sum += 2 * layerElements(model, l);
    }
    return sum;
  }

  private static int keptHeads(HybridTransformer model, int layer) {
    return model.plan().keptKvHeads(layer, model.config().kvHeads()).length;
  }

  /** Of one layer's keys. */
  private static long layerElements(HybridTransformer model, int layer) {
    return KvPages.elements(keptHeads(model, layer), model.config().headDim());
  }

  private static long slotElements(HybridTransformer model, int context) {
    long sum = 0;
    for (int l = 0; l < model.config().layers(); l++) {
      sum += aligned(stateFloats(model, l)) + 2 * aligned(windowElements(model, l, context));
      for (PooledLayer.Line line : PooledLayer.Line.values()) {
        sum += aligned(historyFloats(model, l, line));
      }
    }
    return sum;
  }

  /** Of one layer's keys in its windows. */
  private static long windowElements(HybridTransformer model, int layer, int context) {
    return model.style().windowed()
        ? WindowCache.entries(model.style(), context) * linearWidth(model, layer)
        : 0;
  }

  private static long linearWidth(HybridTransformer model, int layer) {
    return (long) model.plan().linearHeads(layer).length * model.config().headDim();
  }

  private static long stateFloats(HybridTransformer model, int layer) {
    int linear = model.plan().linearHeads(layer).length;
    if (linear > 0 && model.style().qwen35()) {
      DeltaNetConfig n = model.config().deltaNet();
      return n.valueWidth() * n.keyDim();
    }
    return model.style().windowed() ? 0 : linearWidth(model, layer) * model.config().headDim();
  }

  /** Of one convolution. */
  private static long historyFloats(HybridTransformer model, int layer, PooledLayer.Line line) {
    int linear = model.plan().linearHeads(layer).length;
    if (linear > 0 && model.style().qwen35()) {
      DeltaNetConfig n = model.config().deltaNet();
      return (n.convKernel() - 1) * (line == PooledLayer.Line.V ? n.valueWidth() : n.keyWidth());
    }
    return Math.max(0, model.style().convKernel() - 1) * linearWidth(model, layer);
  }

  private static long aligned(long elements) {
    return Math.ceilDiv(elements, ALIGNMENT) * ALIGNMENT;
  }

  /**
   * Every layer's part.
   *
   * @param table a block table of no sequence
   */
  PooledLayer[] layers(Tensor table) {
    Ops ops = model.ops();
    PooledLayer[] layers = new PooledLayer[model.config().layers()];
    long block = 0;
    long slot = 0;
    for (int l = 0; l < layers.length; l++) {
      long kv = layerElements(model, l);
      int g = keptHeads(model, l);
      KvPages pages = null;
      if (g > 0) {
        Tensor keys = blocks.columns(block, kv);
        Tensor values = blocks.columns(block + kv, kv);
        pages = new KvPages(keys, values, g, model.config().headDim(), table);
        block += 2 * kv;
      }
      long floats = stateFloats(model, l);
      Tensor states = floats > 0 ? slots.columns(slot, floats) : null;
      slot += aligned(floats);
      PooledLayer.Line[] lines = PooledLayer.Line.values();
      Tensor[] histories = new Tensor[lines.length];
      for (PooledLayer.Line line : lines) {
        long history = historyFloats(model, l, line);
        if (history > 0) {
          histories[line.ordinal()] = slots.columns(slot, history);
          slot += aligned(history);
        }
      }
      long window = windowElements(model, l, context);
      PooledLayer.Windows windows = null;
      if (window > 0) {
        Tensor keys = slots.columns(slot, window);
        Tensor values = slots.columns(slot + aligned(window), window);
        slot += 2 * aligned(window);
        windows = new PooledLayer.Windows(model.style(), linearWidth(model, l), keys, values);
      }
      layers[l] = new PooledLayer(ops, pages, states, histories, windows);
    }
    return layers;
  }

  /** Whose caches these are. */
  public HybridTransformer model() {
    return model;
  }

  /** Blocks of both kinds, taken or not. */
  public int blocks() {
    return references.length - 1;
  }

  public int slots() {
    return slotTaken.length - 1;
  }

  public int freeBlocks() {
    return freeBlockCount;
  }

  public int freeSlots() {
    return freeSlotCount;
  }

  /** Bytes of keys and values of the blocks that somebody has. */
  public long kvBytesInUse() {
    return (blocks() - freeBlockCount) * blockBytes(model);
  }

  /** Bytes of the slots that somebody has. */
  public long stateBytesInUse() {
    return (slots() - freeSlotCount) * slotBytes();
  }

  /**
   * A block of any content, the caller's alone.
   *
   * @throws IllegalStateException if none is free
   */
  public int takeBlock() {
    if (freeBlockCount == 0) {
      throw new IllegalStateException("no block is free");
    }
    int b = freeBlocks[--freeBlockCount];
    references[b] = 1;
    return b;
  }

  /** One more has the block. */
  public void share(int block) {
    requireTaken(block);
    references[block]++;
  }

  /** How many have the block. */
  public int references(int block) {
    return references[block];
  }

  /** One less has the block; it is free when nobody has it. */
  public void giveBack(int block) {
    requireTaken(block);
    if (--references[block] == 0) {
      freeBlocks[freeBlockCount++] = block;
    }
  }

  private void requireTaken(int block) {
    if (block < 1 || references[block] < 1) {
      throw new IllegalStateException("block " + block + " is nobody's");
    }
  }

  /** A slot of any content. */
  public int takeSlot() {
    if (freeSlotCount == 0) {
      throw new IllegalStateException("no slot is free");
    }
    int s = freeSlots[--freeSlotCount];
    slotTaken[s] = true;
    return s;
  }

  public void giveBackSlot(int slot) {
    if (slot < 1 || !slotTaken[slot]) {
      throw new IllegalStateException("slot " + slot + " is nobody's");
    }
    slotTaken[slot] = false;
    freeSlots[freeSlotCount++] = slot;
  }

  /** The state before the first token. */
  public void clearSlot(int slot) {
    slots.rows(slot, 1).fill(0f);
  }

  public void copySlot(int from, int to) {
    slots.rows(to, 1).copyFrom(slots.rows(from, 1));
  }

  public void copyBlock(int from, int to) {
    blocks.rows(to, 1).copyFrom(blocks.rows(from, 1));
  }

  /** For benchmarks: all blocks and slots hold noise, as if somebody had written there. */
  public void fillWithNoise() {
    blocks.repeat(Noise.of(blocks.dtype()));
    slots.repeat(Noise.of(slots.dtype()));
  }

  /** The keys and values of a block, all layers', in the pool's memory: to be saved or restored. */
  public Tensor block(int block) {
    return blocks.rows(block, 1);
  }

  /** The states of a slot, likewise. */
  public Tensor slot(int slot) {
    return slots.rows(slot, 1);
  }

  @Override
  public void close() {
    memory.close();
  }
}
