package io.hydrahead.ops.swiglu;

import static io.hydrahead.ops.CudaRows.aligned;
import static io.hydrahead.ops.CudaRows.stride;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaRows;
import io.hydrahead.ops.CudaVariants;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** {@link SwiGlu} on a GPU, in float32 or bf16. Rows may be column slices. */
public final class CudaSwiGlu implements SwiGlu {
  private static final int BLOCK = 256;
  private static final int BLOCKS = 32; // a multiprocessor

  private record Sites(LaunchArguments forward, LaunchArguments backward) {}

  private final CudaVariants<Sites> variants;
  private final int multiprocessors;

  public CudaSwiGlu(CudaDevice device) {
    variants =
        new CudaVariants<>(
            device,
            CudaSwiGlu.class,
            "swiglu.cu",
            "WIDTH",
            m ->
                new Sites(
                    m.kernel("swiglu_forward").arguments(),
                    m.kernel("swiglu_backward").arguments()));
    multiprocessors = device.multiprocessors();
  }

  private Sites sites(int f, Tensor gate, boolean aligned) {
    return variants.get(f, gate.dtype(), f % CudaRows.vector(gate.dtype()) == 0 && aligned);
  }

  private int blocks(Tensor gate) {
    long each = (long) BLOCK * CudaRows.vector(gate.dtype());
    return (int) Math.min((gate.size() + each - 1) / each, (long) BLOCKS * multiprocessors);
  }

  @Override
  public void forward(Tensor gate, Tensor up, Tensor out) {
    SwiGluShape.check(gate, up, out);
    int f = gate.size(-1);
    sites(f, gate, aligned(gate, f) && aligned(up, f) && aligned(out, f))
        .forward
        .begin()
        .integer(TensorChecks.rows(gate))
        .pointer(gate)
        .wide(stride(gate, f))
        .pointer(up)
        .wide(stride(up, f))
        .pointer(out)
        .wide(stride(out, f))
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
        .pointer(gate)
        .wide(stride(gate, f))
        .pointer(up)
        .wide(stride(up, f))
        .pointer(dOut)
        .wide(stride(dOut, f))
        .pointer(dGate)
        .wide(stride(dGate, f))
        .pointer(dUp)
        .wide(stride(dUp, f))
        .launch(blocks(gate), BLOCK, 0);
  }
}
