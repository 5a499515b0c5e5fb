package io.hydrahead.ops.decode;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * {@code decoder.cu}: one launch a token, on Hopper and newer, in bf16. All blocks of the launch
 * must run at once, one a multiprocessor.
 */
public final class CudaTokenDecoder implements TokenDecoder {
  /** Threads of a block: 8 warps that compute and one that copies. */
  private static final int THREADS = 288;

  /** What the kernel's shared memory is laid out for. */
  private static final int SHARED_BYTES = 227 << 10;

  /** Columns of a matrix that a step of a warp takes. */
  private static final int STEP = 32;

  private static final int HOPPER = 90;
  private static final int MOST_SHARING = 4;
  private static final int WIDEST_MLP = 12288;

  private final CudaDevice device;
  private final boolean available;

  /**
   * @param type of activations and matrices; only BF16 is decoded so
   * @param deterministic whether a token must have the bits that it has in a longer piece: then
   *     nothing is supported
   */
  public CudaTokenDecoder(CudaDevice device, DType type, boolean deterministic) {
    this.device = device;
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
    private final LaunchArguments launch;
    private final int blocks = device.multiprocessors();
    private final Tensor tokenAndPosition;
    private final Tensor logits;

    /** {@code struct Step}. */
    private final MemorySegment step = Arena.ofAuto().allocate(192, 8);

    private long at;

    Sequence(Model m, List<Layer> layers, Workspace memory) {
      Shape s = m.shape();
      launch =
          device
              .module(
                  CudaTokenDecoder.class,
                  "decoder.cu",
                  "-DHIDDEN=" + s.hidden(),
                  "-DHEADS=" + s.heads(),
                  "-DHEAD_DIM=" + s.headDim(),
                  "-DMLP=" + s.mlp(),
                  "-DGROUP=" + Integer.highestOneBit(Math.max(1, 2 * s.mostSharing() - 1)))
              .kernel("decode")
              .arguments();
      DecodeTables tables = new DecodeTables(m, layers, blocks, memory);
      tokenAndPosition = memory.allocate(DType.I32, 2);
      logits = memory.f32(m.lmHead().dim(0));
      long width = (long) s.heads() * s.headDim();
      pointer(tables.layers());
      pointer(m.embedding());
      pointer(m.lmHead());
      pointer(m.finalNorm());
      pointer(tables.inverseFrequency());
      pointer(tokenAndPosition);
      address(tokenAndPosition.segment().address() + 4);
      pointer(memory.f32(s.hidden()));
      pointer(memory.f32(tables.mostRows()));
      pointer(memory.zeros(width));
      pointer(memory.zeros(width));
      pointer(memory.f32(tables.partialFloats()));
      pointer(memory.f32(s.mlp()));
      pointer(logits);
      pointer(memory.f32(blocks, 2));
      pointer(memory.zeros(Math.max(1, tables.mostKvHeads())));
      pointer(memory.zeros(2));
      address(m.capacity());
      step.set(JAVA_DOUBLE, at, m.rotaryScaling());
      at += 8;
      for (int i :
          new int[] {
            layers.size(),
            logits.size(0),
            flag(m.fullRotary()),
            flag(m.linearRotary()),
            flag(m.gated()),
            flag(m.normed()),
            0
          }) {
        step.set(JAVA_INT, at, i);
        at += 4;
      }
      for (float f : new float[] {m.eps(), m.betaMax(), m.lengthBase()}) {
        step.set(JAVA_FLOAT, at, f);
        at += 4;
      }
    }

    private static int flag(boolean b) {
      return b ? 1 : 0;
    }

    private void pointer(Tensor t) {
      address(t.segment().address());
    }

    private void address(long value) {
      step.set(JAVA_LONG, at, value);
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
      launch.begin().struct(step.asSlice(0, at)).launch(blocks, THREADS, SHARED_BYTES);
    }
  }
}
