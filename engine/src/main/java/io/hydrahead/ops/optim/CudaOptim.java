package io.hydrahead.ops.optim;

import static io.hydrahead.cuda.CudaRows.aligned;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.CudaVariants;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** {@link Optim} on a GPU. Tensors are dense. */
public final class CudaOptim implements Optim {
  private static final int BLOCK = 256;
  private static final int BLOCKS = 16; // a multiprocessor
  private static final int SUM_BLOCKS = 8;

  private record Sites(
      LaunchArguments adamW,
      LaunchArguments squares,
      LaunchArguments squaresSum,
      LaunchArguments squaredError,
      LaunchArguments axpy,
      LaunchArguments sum,
      LaunchArguments narrow,
      LaunchArguments widen) {}

  private final CudaVariants<Sites> variants;
  private final CudaScratch scratch;
  private final CudaDevice device;

  public CudaOptim(CudaDevice device, CudaScratch scratch) {
    variants =
        new CudaVariants<>(
            device,
            CudaOptim.class,
            "optim.cu",
            null,
            m ->
                new Sites(
                    m.kernel("adamw").arguments(),
                    m.kernel("squares").arguments(),
                    m.kernel("squares_sum").arguments(),
                    m.kernel("squared_error").arguments(),
                    m.kernel("axpy").arguments(),
                    m.kernel("sum").arguments(),
                    m.kernel("narrow").arguments(),
                    m.kernel("widen").arguments()));
    this.scratch = scratch;
    this.device = device;
  }

  private Sites sites(DType type) {
    return variants.get(0, type, false);
  }

  private int blocks(long size, int vector, int most) {
    return device.blocks(Math.ceilDiv(size, (long) BLOCK * vector), most);
  }

  /** 1 when all of them, null or dense, start at multiples of 16 bytes. */
  private static int vectors(Tensor a, Tensor b, Tensor c, Tensor d, Tensor e) {
    boolean aligned = dense(a) && dense(b) && dense(c) && dense(d) && dense(e);
    return aligned ? 1 : 0;
  }

  private static boolean dense(Tensor t) {
    if (t != null && !t.contiguous()) {
      throw new IllegalArgumentException(t + " is a column slice; this operation takes none");
    }
    return aligned(t);
  }

  @Override
  public void adamW(
      Rule rule,
      Tensor param,
      Tensor grad,
      Tensor m,
      Tensor v,
      Tensor working,
      Tensor rates,
      Tensor squares) {
    long size = OptimShape.check(param, grad, m, v, working, rates, squares);
    sites(DType.F32)
        .adamW
        .begin()
        .wide(size)
        .pointer(param)
        .pointer(grad)
        .pointer(m)
        .pointer(v)
        .pointerOrNull(working)
        .pointer(rates)
        .pointer(squares)
        .wide(Double.doubleToRawLongBits(rule.clip()))
        .real(rule.weightDecay())
        .real(rule.beta1())
        .real(rule.beta2())
        .real((float) (1 - (double) rule.beta1()))
        .real((float) (1 - (double) rule.beta2()))
        .real(rule.eps())
        .integer(vectors(param, grad, m, v, working))
        .launch(blocks(size, 4, BLOCKS), BLOCK, 0);
  }

  @Override
  public void addSquares(Tensor x, Tensor sum) {
    long size = OptimShape.check("x", x);
    TensorChecks.scalar("sum", sum, DType.F64);
    int slices = blocks(size, CudaRows.vector(x.dtype()), SUM_BLOCKS);
    if (slices == 0) {
      return;
    }
    long partials = scratch.bytes(8L * slices);
    Sites sites = sites(x.dtype());
    sites
        .squares
        .begin()
        .wide(size)
        .pointer(x)
        .address(partials)
        .integer(vectors(x, null, null, null, null))
        .launch(slices, BLOCK, 0);
    addUp(sites, slices, partials, null, null, sum);
  }

  private static void addUp(
      Sites sites, int slices, long partials, Tensor factor, Tensor norm, Tensor sum) {
    sites
        .squaresSum
        .begin()
        .integer(slices)
        .address(partials)
        .pointerOrNull(factor)
        .pointerOrNull(norm)
        .pointer(sum)
        .launch(1, BLOCK, 0);
  }

  @Override
  public void squaredError(Tensor x, Tensor y, Tensor factor, Tensor norm, Tensor dx, Tensor sum) {
    long size = OptimShape.check(x, y, factor, norm, dx, sum);
    int slices = blocks(size, CudaRows.vector(x.dtype()), SUM_BLOCKS);
    if (slices == 0) {
      return;
    }
    long partials = scratch.bytes(8L * slices);
    Sites sites = sites(x.dtype());
    sites
        .squaredError
        .begin()
        .wide(size)
        .pointer(x)
        .pointer(y)
        .pointer(factor)
        .pointer(norm)
        .pointer(dx)
        .address(partials)
        .integer(vectors(x, y, dx, null, null))
        .launch(slices, BLOCK, 0);
    addUp(sites, slices, partials, factor, norm, sum);
  }

  @Override
  public void axpy(float alpha, Tensor x, Tensor y) {
    long size = OptimShape.check(x, y);
    sites(x.dtype())
        .axpy
        .begin()
        .wide(size)
        .real(alpha)
        .pointer(x)
        .pointer(y)
        .integer(vectors(x, y, null, null, null))
        .launch(blocks(size, CudaRows.vector(x.dtype()), BLOCKS), BLOCK, 0);
  }

  @Override
  public void sum(Tensor x, Tensor y, Tensor out) {
    OptimShape.check(x, out);
    long size = OptimShape.check(y, out);
    sites(x.dtype())
        .sum
        .begin()
        .wide(size)
        .pointer(x)
        .pointer(y)
        .pointer(out)
        .integer(vectors(x, y, out, null, null))
        .launch(blocks(size, CudaRows.vector(x.dtype()), BLOCKS), BLOCK, 0);
  }

  @Override
  public void convert(Tensor from, Tensor to) {
    TensorChecks.activations("from", from, from.size());
    TensorChecks.activations("to", to, from.size());
    if (from.dtype() == to.dtype()) {
      to.copyFrom(from);
      return;
    }
    Sites sites = sites(DType.F32);
    LaunchArguments site = from.dtype() == DType.F32 ? sites.narrow : sites.widen;
    site.begin()
        .wide(from.size())
        .pointer(from)
        .pointer(to)
        .integer(vectors(from, to, null, null, null))
        .launch(blocks(from.size(), 8, BLOCKS), BLOCK, 0);
  }
}
