package io.hydrahead.ops.headprep;

import static io.hydrahead.cuda.CudaRows.aligned;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.CudaVariants;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** {@link HeadPrep} on a GPU, in float32 or bf16: one kernel a direction. */
public final class CudaHeadPrep implements HeadPrep {
  private static final int BLOCK = 256;
  private static final int BLOCKS = 16; // a multiprocessor
  private static final int BACKWARD_BLOCKS = 2;

  /** What is on behind the RMSNorm, as the kernels read it. */
  private static final int ROTARY = 1;

  private static final int L2 = 2;

  /** Launch sites of {@code headprep.cu}. */
  private record Sites(
      LaunchArguments forward,
      LaunchArguments backward,
      LaunchArguments weight,
      LaunchArguments lengthScale) {}

  private final CudaVariants<Sites> variants;
  private final CudaScratch scratch;
  private final CudaDevice device;

  public CudaHeadPrep(CudaDevice device, CudaScratch scratch) {
    variants =
        new CudaVariants<>(
            device,
            HeadPrep.class,
            "headprep.cu",
            "HEAD_DIM",
            m ->
                new Sites(
                    m.kernel("head_prep_forward").arguments().overlapInSteps(),
                    m.kernel("head_prep_backward").arguments(),
                    m.kernel("head_prep_weight").arguments(),
                    m.kernel("length_scale").arguments()));
    this.scratch = scratch;
    this.device = device;
  }

  private Sites sites(Shape s, Tensor x, Tensor w, Tables t, boolean aligned) {
    boolean vectors = s.headDim() % (2 * CudaRows.vector(x.dtype())) == 0;
    vectors &= aligned && aligned(w) && aligned(t.cos()) && aligned(t.sin());
    return variants.get(s.headDim(), x.dtype(), w.dtype(), vectors);
  }

  private static int parts(Shape s, Tables t) {
    return (t.cos() != null ? ROTARY : 0) | (s.l2() ? L2 : 0);
  }

  /** Blocks for {@code rows} rows of heads. */
  private int blocks(int rows, Shape s, int most) {
    return device.blocks((long) rows * s.heads(), most);
  }

  @Override
  public void forward(Shape s, Tensor x, Tensor w, Tables t, Tensor y, Tensor rstd, Tensor rnorm) {
    int n = HeadPrepShape.check(s, x, w, t, y, rstd, rnorm);
    long width = (long) s.heads() * s.headDim();
    sites(s, x, w, t, aligned(x, width) && aligned(y, width))
        .forward
        .begin()
        .integer(n)
        .integer(s.tokens())
        .integer(s.heads())
        .integer(parts(s, t))
        .rows(x, width)
        .pointer(w)
        .real(s.normEps())
        .real(s.l2Eps())
        .pointerOrNull(t.cos())
        .pointerOrNull(t.sin())
        .pointerOrNull(t.scale())
        .rows(y, width)
        .pointerOrNull(rstd)
        .pointerOrNull(rnorm)
        .launch(blocks(n, s, BLOCKS), BLOCK, 0);
  }

  @Override
  public void backward(
      Shape s,
      Tensor x,
      Tensor w,
      Tables t,
      Tensor y,
      Tensor rstd,
      Tensor rnorm,
      Tensor dy,
      Tensor dx,
      Tensor dw) {
    int n = HeadPrepShape.checkBackward(s, x, w, t, y, rstd, rnorm, dy, dx, dw);
    long width = (long) s.heads() * s.headDim();
    int slices = blocks(n, s, BACKWARD_BLOCKS);
    long partials = scratch.bytes(4L * slices * s.headDim());
    boolean aligned = aligned(x, width) && aligned(dy, width) && aligned(dx, width);
    Sites k = sites(s, x, w, t, aligned);
    k.backward
        .begin()
        .integer(n)
        .integer(s.tokens())
        .integer(s.heads())
        .integer(parts(s, t))
        .rows(x, width)
        .pointer(w)
        .real(s.l2Eps())
        .pointerOrNull(t.cos())
        .pointerOrNull(t.sin())
        .pointer(rstd)
        .pointerOrNull(rnorm)
        .rows(dy, width)
        .rows(dx, width)
        .address(partials)
        .launch(slices, BLOCK, 0);
    k.weight
        .begin()
        .address(partials)
        .integer(slices)
        .pointer(dw)
        .launch(Math.ceilDiv(s.headDim(), 32), 1024, 0);
  }

  @Override
  public void lengthScale(Tensor position, double base, Tensor scale) {
    int tokens = Math.toIntExact(scale.size());
    variants
        .get(2, DType.F32, false)
        .lengthScale
        .begin()
        .integer(tokens)
        .pointer(position)
        .integer(TensorChecks.eachHasPosition(position, tokens) ? 1 : 0)
        .wide(Double.doubleToRawLongBits(base))
        .pointer(scale)
        .launch(Math.ceilDiv(tokens, BLOCK), BLOCK, 0);
  }
}
