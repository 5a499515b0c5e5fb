package io.hydrahead.ops.decay;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.CudaVariants;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** {@link DecayGate} on a GPU; a, b and their gradients in float32 or bf16. */
public final class CudaDecayGate implements DecayGate {
  private static final int BLOCK = 256;
  private static final int BLOCKS = 32; // a multiprocessor
  private static final int BACKWARD_BLOCKS = 8;

  private record Sites(
      LaunchArguments forward, LaunchArguments backward, LaunchArguments parameters) {}

  private final CudaVariants<Sites> variants;
  private final CudaScratch scratch;
  private final CudaDevice device;

  public CudaDecayGate(CudaDevice device, CudaScratch scratch) {
    variants =
        new CudaVariants<>(
            device,
            CudaDecayGate.class,
            "decay.cu",
            null,
            m ->
                new Sites(
                    m.kernel("decay_forward").arguments().overlapInSteps(),
                    m.kernel("decay_backward").arguments(),
                    m.kernel("decay_parameters").arguments()));
    this.scratch = scratch;
    this.device = device;
  }

  private int blocks(Tensor a, int most) {
    return device.blocks(Math.ceilDiv(a.size(), BLOCK), most);
  }

  @Override
  public void forward(
      Tensor a, Tensor b, Tensor aLog, Tensor dtBias, float betaMax, Tensor g, Tensor beta) {
    int h = DecayShape.check(a, b, aLog, dtBias, g, beta);
    variants
        .get(0, a.dtype(), false)
        .forward
        .begin()
        .integer(TensorChecks.rows(a))
        .integer(h)
        .rows(a, h)
        .rows(b, h)
        .pointer(aLog)
        .pointer(dtBias)
        .real(betaMax)
        .pointer(g)
        .pointer(beta)
        .launch(blocks(a, BLOCKS), BLOCK, 0);
  }

  @Override
  public void backward(
      Tensor a,
      Tensor b,
      Tensor aLog,
      Tensor dtBias,
      float betaMax,
      Tensor dg,
      Tensor dBeta,
      Tensor da,
      Tensor db,
      Tensor dALog,
      Tensor dDtBias) {
    int h = DecayShape.checkBackward(a, b, aLog, dtBias, dg, dBeta, da, db, dALog, dDtBias);
    int slices = blocks(a, BACKWARD_BLOCKS);
    if (slices == 0) {
      return;
    }
    long partials = scratch.bytes(8L * slices * h);
    Sites sites = variants.get(0, a.dtype(), false);
    sites
        .backward
        .begin()
        .integer(TensorChecks.rows(a))
        .integer(h)
        .rows(a, h)
        .rows(b, h)
        .pointer(aLog)
        .pointer(dtBias)
        .real(betaMax)
        .pointer(dg)
        .pointer(dBeta)
        .rows(da, h)
        .rows(db, h)
        .address(partials)
        .launch(slices, Math.ceilDiv(h, BLOCK), 1, BLOCK, 0);
    sites
        .parameters
        .begin()
        .address(partials)
        .integer(slices)
        .integer(h)
        .pointer(dALog)
        .pointer(dDtBias)
        .launch(Math.ceilDiv(h, 32), 2, 1, 1024, 0);
  }
}
