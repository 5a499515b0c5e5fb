package io.hydrahead.ops.decode;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaModule;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.Graphs;
import io.hydrahead.ops.Replay;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * {@code decoder.cu}: a chain of overlapping launches, replayed as one graph a token, on Hopper and
 * newer, in bf16.
 */
public final class CudaTokenDecoder implements TokenDecoder {
  /** Warps that compute, and one that copies. */
  private static final int COMPUTING = 256;

  private static final int THREADS = COMPUTING + 32;

  /** A multiprocessor holds a block of a kernel and one of the next, never two of the same. */
  private static final int SHARED_BYTES = 112 << 10;

  /** Columns of a matrix that a step of a warp takes. */
  private static final int STEP = 32;

  /** Most parts of a head's sum of squares. */
  private static final int SLICES = 4;

  private static final int HOPPER = 90;
  private static final int MOST_SHARING = 4;
  private static final int WIDEST_MLP = 12288;

  private final CudaDevice device;
  private final Graphs graphs;
  private final boolean available;

  /**
   * @param graphs how a token's launches are recorded
   * @param type of activations and matrices; only BF16 is decoded so
   * @param deterministic whether a token must have the bits that it has in a longer piece: then
   *     nothing is supported
   */
  public CudaTokenDecoder(CudaDevice device, Graphs graphs, DType type, boolean deterministic) {
    this.device = device;
    this.graphs = graphs;
    available =
        type == DType.BF16
            && !deterministic
            && device.capability() >= HOPPER
            && device.maxSharedBytes() >= SHARED_BYTES;
  }

  @Override
  public boolean supports(Shape s) {
    boolean headDim = s.headDim() == 32 || s.headDim() == 64 || s.headDim() == 128;
    return available
        && headDim
        && s.hidden() % STEP == 0
        && s.mlp() % STEP == 0
        && Math.max(s.mlp(), Math.max(s.hidden(), s.heads() * s.headDim())) <= WIDEST_MLP
        && s.mostSharing() <= MOST_SHARING
        && !s.convolutions();
  }

  @Override
  public Decoder open(Model model, List<Layer> layers, Workspace memory) {
    if (!supports(model.shape())) {
      throw new IllegalArgumentException("no decoder for " + model.shape());
    }
    return new Sequence(model, layers, memory);
  }

  private final class Sequence implements Decoder {
    private final int blocks = device.multiprocessors();
    private final LaunchArguments begin;

    /** In the order in which a layer runs them. */
    private final LaunchArguments[] ofLayer;

    private final LaunchArguments logitsOf;
    private final LaunchArguments choose;
    private final MemorySegment[] layers;
    private final Tensor tokenAndPosition;
    private final Tensor logits;

    /** {@code struct Step}, as far as it is written. */
    private final MemorySegment step;

    private final MemorySegment stepSpace = Arena.ofAuto().allocate(256, 8);
    private final Replay token = new Replay(graphs, this::launch);
    private long at;

    Sequence(Model m, List<Layer> all, Workspace memory) {
      Shape s = m.shape();
      CudaModule module =
          device.module(
              CudaTokenDecoder.class,
              "decoder.cu",
              "-DHIDDEN=" + s.hidden(),
              "-DHEADS=" + s.heads(),
              "-DHEAD_DIM=" + s.headDim(),
              "-DMLP=" + s.mlp(),
              "-DGROUP=" + Integer.highestOneBit(Math.max(1, 2 * s.mostSharing() - 1)));
      begin = module.kernel("begin").preferShared().arguments();
      ofLayer =
          new LaunchArguments[] {
            overlapping(module, "project"),
            overlapping(module, "mix"),
            overlapping(module, "output"),
            overlapping(module, "up"),
            overlapping(module, "down")
          };
      logitsOf = overlapping(module, "logits");
      choose = overlapping(module, "choose");
      DecodeTables tables = new DecodeTables(m, all, blocks, memory);
      layers = tables.layers();
      tokenAndPosition = memory.allocate(DType.I32, 2);
      logits = memory.f32(m.lmHead().dim(0));
      long width = (long) s.heads() * s.headDim();
      pointer(m.embedding());
      pointer(m.lmHead());
      pointer(m.finalNorm());
      pointer(tables.inverseFrequency());
      pointer(tokenAndPosition);
      address(tokenAndPosition.segment().address() + 4);
      pointer(memory.f32(s.headDim()));
      pointer(memory.f32(s.hidden()));
      pointer(memory.f32(tables.mostRows()));
      pointer(memory.f32(width));
      pointer(memory.f32(s.heads(), SLICES));
      pointer(memory.f32(tables.partialFloats()));
      pointer(memory.allocate(DType.BF16, 2, s.mlp()));
      pointer(logits);
      pointer(memory.f32(blocks, 2));
      pointer(memory.zeros(Math.max(1, tables.mostKvHeads())));
      address(m.capacity());
      stepSpace.set(JAVA_DOUBLE, at, m.rotaryScaling());
      at += 8;
      for (int i :
          new int[] {
            logits.size(0),
            flag(m.fullRotary()),
            flag(m.linearRotary()),
            flag(m.gated()),
            flag(m.normed())
          }) {
        stepSpace.set(JAVA_INT, at, i);
        at += 4;
      }
      for (float f : new float[] {m.eps(), m.betaMax(), m.lengthBase()}) {
        stepSpace.set(JAVA_FLOAT, at, f);
        at += 4;
      }
      step = stepSpace.asSlice(0, at);
    }

    /**
     * All of a chain divide a multiprocessor's fast memory alike: it could not overlap otherwise.
     */
    private static LaunchArguments overlapping(CudaModule module, String kernel) {
      return module.kernel(kernel).preferShared().arguments().overlapPrevious();
    }

    private static int flag(boolean b) {
      return b ? 1 : 0;
    }

    private void pointer(Tensor t) {
      address(t.segment().address());
    }

    private void address(long value) {
      stepSpace.set(JAVA_LONG, at, value);
      at += 8;
    }

    @Override
    public Tensor tokenAndPosition() {
      return tokenAndPosition;
    }

    @Override
    public Tensor logits() {
      return logits;
    }

    @Override
    public void step() {
      if (device.capturing()) {
        launch();
      } else {
        token.run();
      }
    }

    private void launch() {
      begin.begin().struct(step).launch(1, COMPUTING, 0);
      for (MemorySegment layer : layers) {
        for (LaunchArguments kernel : ofLayer) {
          kernel.begin().struct(step).struct(layer).launch(blocks, THREADS, SHARED_BYTES);
        }
      }
      logitsOf.begin().struct(step).launch(blocks, THREADS, SHARED_BYTES);
      choose.begin().struct(step).integer(blocks).launch(1, 32, 0);
    }

    @Override
    public void close() {
      token.close();
    }
  }
}
