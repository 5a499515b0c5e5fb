package io.hydrahead.ops.swiglu;

import static io.hydrahead.cuda.CudaRows.aligned;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaVariants;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** {@link SwiGlu} on a GPU, in float32 or bf16. Rows may be column slices. */
public final class CudaSwiGlu implements SwiGlu {
  private static final int BLOCK = 256;
  private static final int BLOCKS = 32; // a multiprocessor

  private record Sites(LaunchArguments forward, LaunchArguments backward) {}

  private final CudaVariants<Sites> variants;
  private final CudaDevice device;

  public CudaSwiGlu(CudaDevice device) {
    variants =
        new CudaVariants<>(
            device,
            CudaSwiGlu.class,
            "swiglu.cu",
            "WIDTH",
            m ->
                new Sites(
                    m.kernel("swiglu_forward").arguments().overlapInSteps(),
                    m.kernel("swiglu_backward").arguments()));
    this.device = device;
  }

  private Sites sites(int f, Tensor gate, boolean aligned) {
    return variants.get(f, gate.dtype(), f % CudaRows.vector(gate.dtype()) == 0 && aligned);
  }

  private int blocks(Tensor gate) {
    long each = (long) BLOCK * CudaRows.vector(gate.dtype());
    return device.blocks(Math.ceilDiv(gate.size(), each), BLOCKS);
  }

  @Override
  public void forward(Tensor gate, Tensor up, Tensor out) {
    SwiGluShape.check(gate, up, out);
    int f = gate.size(-1);
    sites(f, gate, aligned(gate, f) && aligned(up, f) && aligned(out, f))
        .forward
        .begin()
        .integer(TensorChecks.rows(gate))
        .rows(gate, f)
        .rows(up, f)
        .rows(out, f)
        .launch(blocks(gate), BLOCK, 0);
  }

  @Override
  public void backward(Tensor gate, Tensor up, Tensor dOut, Tensor dGate, Tensor dUp) {
    SwiGluShape.checkBackward(gate, up, dOut, dGate, dUp);
    int f = gate.size(-1);
    boolean aligned = aligned(gate, f) && aligned(up, f) && aligned(dOut, f);
    aligned &= aligned(dGate, f) && aligned(dUp, f);
    sites(f, gate, aligned)
        .backward
        .begin()
        .integer(TensorChecks.rows(gate))
        .rows(gate, f)
        .rows(up, f)
        .rows(dOut, f)
        .rows(dGate, f)
        .rows(dUp, f)
        .launch(blocks(gate), BLOCK, 0);
  }
}
