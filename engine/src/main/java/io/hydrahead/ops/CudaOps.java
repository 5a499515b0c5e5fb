package io.hydrahead.ops;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaGraph;
import io.hydrahead.ops.attention.CudaCausalAttention;
import io.hydrahead.ops.conv.CudaShortConv;
import io.hydrahead.ops.decay.CudaDecayGate;
import io.hydrahead.ops.decode.CudaTokenDecoder;
import io.hydrahead.ops.deltarule.CudaGatedDeltaRule;
import io.hydrahead.ops.embedding.CudaEmbedding;
import io.hydrahead.ops.fusion.CudaHeadFusion;
import io.hydrahead.ops.gemm.CudaLinear;
import io.hydrahead.ops.headprep.CudaHeadPrep;
import io.hydrahead.ops.loss.CudaTokenLoss;
import io.hydrahead.ops.norm.CudaL2Norm;
import io.hydrahead.ops.norm.CudaRmsNorm;
import io.hydrahead.ops.optim.CudaOptim;
import io.hydrahead.ops.rotary.CudaRotary;
import io.hydrahead.ops.swiglu.CudaSwiGlu;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.DType;
import java.util.List;

/** Bundles the operations of one GPU. */
final class CudaOps {
  /**
   * Whether products are timed at their first use, which gains 1 to 2%; never in deterministic
   * mode. {@code -Dhydrahead.gemm.tuned=false} leaves the choice to cuBLASLt.
   */
  private static final boolean TUNED =
      Boolean.parseBoolean(System.getProperty("hydrahead.gemm.tuned", "true"));

  /**
   * Whether steps that come again and again are recorded and replayed: {@code
   * -Dhydrahead.graphs=false} launches their kernels one by one, which gives the same bits.
   */
  private static final boolean GRAPHS =
      Boolean.parseBoolean(System.getProperty("hydrahead.graphs", "true"));

  /**
   * Whether short kernels of a recorded decode step begin while the one before them ends, which
   * gains 3 to 5% of a step; {@code -Dhydrahead.steps.overlap=false} lets each wait.
   */
  private static final boolean OVERLAP =
      Boolean.parseBoolean(System.getProperty("hydrahead.steps.overlap", "true"));

  private CudaOps() {}

  /** The operations of {@code device}, which closing them closes. */
  static Ops of(CudaDevice device, CudaOptions options) {
    CudaScratch scratch = new CudaScratch(device);
    CudaGatedDeltaRule deltaRule = new CudaGatedDeltaRule(device, scratch, options.activations());
    CudaLinear linear = new CudaLinear(device, scratch);
    device.blas().tuned(TUNED && !options.deterministic());
    CudaCausalAttention attention =
        new CudaCausalAttention(device, scratch, options.deterministic());
    CudaHeadFusion fusion = new CudaHeadFusion(device, scratch);
    Graphs graphs = GRAPHS ? new DeviceGraphs(device, false) : Graphs.IMMEDIATE;
    Placement placement =
        new Placement(
            device.memory(),
            options.activations(),
            true,
            graphs,
            device::sideBySide,
            () -> close(device, List.of(attention, fusion, scratch)));
    return new Ops(
        new ComputePool(options.threads()),
        describe(device, options),
        options.deterministic(),
        placement,
        linear,
        attention,
        deltaRule,
        new CudaRmsNorm(device, scratch),
        new CudaL2Norm(device),
        new CudaRotary(device),
        new CudaHeadPrep(device, scratch),
        new CudaSwiGlu(device),
        fusion,
        new CudaShortConv(device, scratch),
        new CudaDecayGate(device, scratch),
        new CudaTokenLoss(device, scratch),
        new CudaEmbedding(device, scratch),
        new CudaOptim(device, scratch),
        new CudaTokenDecoder(device, graphs, options.activations(), options.deterministic()));
  }

  private static void close(CudaDevice device, List<AutoCloseable> rooms) {
    for (AutoCloseable room : rooms) {
      try {
        room.close();
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
    device.close();
  }

  private static String describe(CudaDevice device, CudaOptions options) {
    String type = options.activations() == DType.BF16 ? "bf16" : "float32";
    String mode = options.deterministic() ? ", deterministic" : "";
    return "%s: %s, %d multiprocessors, CUDA %s, %s%s"
        .formatted(
            "cuda:" + device.ordinal(),
            device.name(),
            device.multiprocessors(),
            device.driverVersion(),
            type,
            mode);
  }

  private record DeviceGraphs(CudaDevice device, boolean overlaps) implements Graphs {
    @Override
    public Graphs overlapping() {
      return new DeviceGraphs(device, OVERLAP);
    }

    @Override
    public Graph record(Runnable work) {
      Runnable recorded = overlaps ? () -> device.overlapping(work) : work;
      return new Recorded(CudaGraph.record(device, recorded));
    }
  }

  private record Recorded(CudaGraph graph) implements Graphs.Graph {
    @Override
    public void launch() {
      graph.launch();
    }

    @Override
    public void close() {
      graph.close();
    }
  }
}
