package io.hydrahead.ops.fusion;

import static io.hydrahead.cuda.CudaRows.aligned;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.CudaVariants;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** {@link HeadFusion} on a GPU, in float32 or bf16. Rows may be column slices. */
public final class CudaHeadFusion implements HeadFusion, AutoCloseable {
  private static final int BLOCK = 256;
  private static final int BLOCKS = 4; // a multiprocessor
  private static final int BACKWARD_BLOCKS = 4;

  /** What is on, as the kernels read it. */
  private static final int NORM = 1;

  private static final int GAMMA = 2;
  private static final int GATE = 4;

  private record Sites(
      LaunchArguments forward, LaunchArguments backward, LaunchArguments parameters) {}

  /** Places of heads, kept on the device from their first use on. */
  private record Places(int[] heads, Tensor device) {}

  private final CudaVariants<Sites> variants;
  private final CudaScratch scratch;
  private final CudaDevice device;
  private final Arena arena;
  private final List<Places> known = new ArrayList<>();

  public CudaHeadFusion(CudaDevice device, CudaScratch scratch) {
    variants =
        new CudaVariants<>(
            device,
            CudaHeadFusion.class,
            "fusion.cu",
            "HEAD_DIM",
            m ->
                new Sites(
                    m.kernel("head_fusion_forward").arguments().overlapInSteps(),
                    m.kernel("head_fusion_backward").arguments(),
                    m.kernel("head_fusion_parameters").arguments()));
    this.scratch = scratch;
    this.device = device;
    arena = device.memory().arena();
  }

  private Tensor places(int[] heads) {
    for (int i = 0; i < known.size(); i++) {
      if (Arrays.equals(known.get(i).heads, heads)) {
        return known.get(i).device;
      }
    }
    Tensor t = Tensor.allocate(device.memory(), arena, DType.I32, heads.length);
    t.copyFrom(heads, 0, heads.length);
    known.add(new Places(heads.clone(), t));
    return t;
  }

  private static int parts(Switches s) {
    return (s.norm() ? NORM : 0) | (s.gamma() ? GAMMA : 0) | (s.gate() ? GATE : 0);
  }

  private Sites sites(int d, Tensor o, boolean aligned) {
    return variants.get(d, o.dtype(), d % CudaRows.vector(o.dtype()) == 0 && aligned);
  }

  /** Tiles of heads: what blocks side by side take. */
  private static int tiles(int heads, int d, Tensor o, boolean aligned) {
    int vector = CudaRows.vector(o.dtype());
    int vectors = d % vector == 0 && aligned ? d / vector : d;
    int teams = BLOCK / CudaRows.team(vectors);
    return Math.ceilDiv(heads, teams);
  }

  private int blocks(int rows, int most, int tiles) {
    return Math.min(rows, Math.max(1, most * device.multiprocessors() / Math.max(1, tiles)));
  }

  @Override
  public void forward(
      Switches s,
      Tensor o,
      Tensor z,
      Tensor bias,
      Tensor gamma,
      int[] heads,
      int headDim,
      Tensor out,
      Tensor rstd) {
    int n = FusionShape.check(s, o, z, bias, gamma, heads, headDim, out, rstd);
    if (n == 0) {
      return;
    }
    int h = heads.length;
    long width = (long) h * headDim;
    long wide = out.size() / n;
    Tensor gates = s.gate() ? z : null;
    Tensor biases = s.gate() ? bias : null;
    boolean aligned =
        aligned(o, width) && aligned(gates, width) && aligned(out, wide) && aligned(biases);
    int tiles = tiles(h, headDim, o, aligned);
    sites(headDim, o, aligned)
        .forward
        .begin()
        .integer(n)
        .integer(h)
        .integer(parts(s))
        .real(s.eps())
        .pointer(places(heads))
        .rows(o, width)
        .rowsOrNull(gates, width)
        .pointerOrNull(biases)
        .pointerOrNull(s.gamma() ? gamma : null)
        .rows(out, wide)
        .pointerOrNull(s.norm() ? rstd : null)
        .launch(blocks(n, BLOCKS, tiles), tiles, 1, BLOCK, 0);
  }

  @Override
  public void backward(
      Switches s,
      Tensor o,
      Tensor z,
      Tensor bias,
      Tensor gamma,
      int[] heads,
      int headDim,
      Tensor rstd,
      Tensor dOut,
      Tensor dO,
      Tensor dZ,
      Tensor dBias,
      Tensor dGamma) {
    int n =
        FusionShape.checkBackward(
            s, o, z, bias, gamma, heads, headDim, rstd, dOut, dO, dZ, dBias, dGamma);
    if (n == 0) {
      return;
    }
    int h = heads.length;
    long width = (long) h * headDim;
    long wide = dOut.size() / n;
    Tensor gates = s.gate() ? z : null;
    Tensor gateGradients = s.gate() ? dZ : null;
    Tensor biases = s.gate() ? bias : null;
    boolean aligned = aligned(o, width) && aligned(gates, width) && aligned(biases);
    aligned &= aligned(dOut, wide) && aligned(dO, width) && aligned(gateGradients, width);
    int tiles = tiles(h, headDim, o, aligned);
    int slices = blocks(n, BACKWARD_BLOCKS, tiles);
    long partials = scratch.bytes(4L * slices * h * (headDim + 1));
    Tensor places = places(heads);
    Sites k = sites(headDim, o, aligned);
    k.backward
        .begin()
        .integer(n)
        .integer(h)
        .integer(parts(s))
        .pointer(places)
        .rows(o, width)
        .rowsOrNull(gates, width)
        .pointerOrNull(biases)
        .pointerOrNull(s.gamma() ? gamma : null)
        .pointerOrNull(s.norm() ? rstd : null)
        .rows(dOut, wide)
        .rows(dO, width)
        .rowsOrNull(gateGradients, width)
        .address(partials)
        .launch(slices, tiles, 1, BLOCK, 0);
    Tensor biasSums = s.gate() ? dBias : null;
    if (biasSums != null || s.gamma()) {
      k.parameters
          .begin()
          .address(partials)
          .integer(slices)
          .integer(h)
          .pointer(places)
          .pointerOrNull(biasSums)
          .pointerOrNull(s.gamma() ? dGamma : null)
          .launch((int) Math.ceilDiv(width + h, 32), 1024, 0);
    }
  }

  @Override
  public void close() {
    known.clear();
    arena.close();
  }
}
