package io.hydrahead.ops.conv;

import static io.hydrahead.cuda.CudaRows.aligned;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.CudaVariants;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** {@link ShortConv} on a GPU, in float32 or bf16; the state is float32. */
public final class CudaShortConv implements ShortConv {
  private static final int BLOCK = 64;

  /** Tokens of a run; a constant of the kernels too. */
  private static final int RUN = 32;

  /** Blocks a multiprocessor; in the backward pass rows of blocks leave one partial dw each. */
  private static final int BLOCKS = 8;

  private record Sites(
      LaunchArguments forward,
      LaunchArguments state,
      LaunchArguments step,
      LaunchArguments slope,
      LaunchArguments backward,
      LaunchArguments weight) {}

  private final CudaVariants<Sites> variants;
  private final CudaScratch scratch;
  private final CudaDevice device;

  public CudaShortConv(CudaDevice device, CudaScratch scratch) {
    variants =
        new CudaVariants<>(
            device,
            CudaShortConv.class,
            "conv.cu",
            "KERNEL",
            m ->
                new Sites(
                    m.kernel("short_conv_forward").arguments(),
                    m.kernel("short_conv_state").arguments(),
                    m.kernel("short_conv_step").arguments(),
                    m.kernel("short_conv_slope").arguments(),
                    m.kernel("short_conv_backward").arguments(),
                    m.kernel("short_conv_weight").arguments()));
    this.scratch = scratch;
    this.device = device;
  }

  private static boolean vectors(Tensor x, int channels) {
    return channels % CudaRows.vector(x.dtype()) == 0 && aligned(x, channels);
  }

  /** Blocks side by side that hold all channels. */
  private static int columns(Tensor x, int channels, boolean vectors) {
    int each = BLOCK * (vectors ? CudaRows.vector(x.dtype()) : 1);
    return Math.ceilDiv(channels, each);
  }

  private int runs(int batch, int tokens, int columns) {
    int runs = batch * Math.ceilDiv(tokens, RUN);
    return Math.min(runs, Math.max(1, BLOCKS * device.multiprocessors() / Math.max(1, columns)));
  }

  @Override
  public void forward(
      int batch, int tokens, Tensor x, Tensor w, Activation f, Tensor state, Tensor y) {
    int k = ConvShape.check(batch, tokens, x, w, y);
    ConvShape.checkState(batch, w, state);
    int channels = w.size(0);
    boolean vectors = vectors(x, channels) && aligned(y, channels);
    int columns = columns(x, channels, vectors);
    Sites sites = variants.get(k, x.dtype(), w.dtype(), vectors);
    sites
        .forward
        .begin()
        .integer(batch)
        .integer(tokens)
        .integer(channels)
        .rows(x, channels)
        .pointer(w)
        .pointer(state)
        .integer(silu(f))
        .rows(y, channels)
        .launch(columns, runs(batch, tokens, columns), 1, BLOCK, 0);
    if (k > 1) {
      sites
          .state
          .begin()
          .integer(batch)
          .integer(tokens)
          .integer(channels)
          .rows(x, channels)
          .pointer(state)
          .launch(Math.ceilDiv(batch * channels, BLOCK), BLOCK, 0);
    }
  }

  private static int silu(Activation f) {
    return f == Activation.SILU ? 1 : 0;
  }

  @Override
  public void step(Tensor x, Tensor w, Activation f, Tensor slots, Tensor states, Tensor y) {
    int batch = x.size(0);
    int k = ConvShape.check(batch, 1, x, w, y);
    int channels = w.size(0);
    if (states.rank() != 2 || states.dim(1) != (k - 1L) * channels || slots.size() < batch) {
      throw new IllegalArgumentException(
          states + " are not slots of " + (k - 1) + " inputs of " + channels + " channels");
    }
    variants
        .get(k, x.dtype(), w.dtype(), false)
        .step
        .begin()
        .integer(batch)
        .integer(channels)
        .rows(x, channels)
        .pointer(w)
        .pointer(slots)
        .pointer(states)
        .wide(states.rowStride())
        .integer(silu(f))
        .rows(y, channels)
        .launch(Math.ceilDiv(batch * channels, BLOCK), BLOCK, 0);
  }

  @Override
  public void backward(
      int batch, int tokens, Tensor x, Tensor w, Activation f, Tensor dy, Tensor dx, Tensor dw) {
    int k = ConvShape.check(batch, tokens, x, w, dy);
    TensorChecks.same("dx", dx, x.size(), x);
    TensorChecks.floats("dw", dw, w.size());
    int channels = w.size(0);
    boolean vectors = vectors(x, channels) && aligned(dy, channels) && aligned(dx, channels);
    int columns = columns(x, channels, vectors);
    int slices = runs(batch, tokens, columns);
    long partials = scratch.bytes(4L * slices * w.size());
    Sites sites = variants.get(k, x.dtype(), w.dtype(), vectors);
    if (f == Activation.SILU) {
      sites
          .slope
          .begin()
          .integer(batch)
          .integer(tokens)
          .integer(channels)
          .rows(x, channels)
          .pointer(w)
          .rows(dy, channels)
          .launch(columns, slices, 1, BLOCK, 0);
    }
    sites
        .backward
        .begin()
        .integer(batch)
        .integer(tokens)
        .integer(channels)
        .rows(x, channels)
        .pointer(w)
        .rows(dy, channels)
        .rows(dx, channels)
        .address(partials)
        .launch(columns, slices, 1, BLOCK, 0);
    sites
        .weight
        .begin()
        .address(partials)
        .integer(slices)
        .integer(channels)
        .pointer(dw)
        .launch((int) Math.ceilDiv(w.size(), 32), 1024, 0);
  }
}
