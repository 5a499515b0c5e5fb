package io.hydrahead.ops;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaGraph;
import io.hydrahead.ops.attention.CausalAttention;
import io.hydrahead.ops.conv.ShortConv;
import io.hydrahead.ops.decay.DecayGate;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.ops.embedding.Embedding;
import io.hydrahead.ops.fusion.HeadFusion;
import io.hydrahead.ops.gemm.CudaLinear;
import io.hydrahead.ops.headprep.HeadPrep;
import io.hydrahead.ops.loss.TokenLoss;
import io.hydrahead.ops.norm.L2Norm;
import io.hydrahead.ops.norm.RmsNorm;
import io.hydrahead.ops.optim.Optim;
import io.hydrahead.ops.rotary.Rotary;
import io.hydrahead.ops.swiglu.SwiGlu;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.DType;
import java.lang.reflect.Proxy;
import java.util.List;

/** Bundles the operations of one GPU. */
final class CudaOps {
  private CudaOps() {}

  /** The operations of {@code device}, which closing them closes. */
  static Ops of(CudaDevice device, CudaOptions options) {
    CudaLinear linear = new CudaLinear(device);
    Placement placement =
        new Placement(
            device.memory(),
            options.activations(),
            true,
            work -> new Recorded(CudaGraph.record(device, work)),
            () -> close(device, List.of(linear)));
    return new Ops(
        new ComputePool(options.threads()),
        describe(device, options),
        options.deterministic(),
        placement,
        linear,
        missing(CausalAttention.class),
        missing(GatedDeltaRule.class),
        missing(RmsNorm.class),
        missing(L2Norm.class),
        missing(Rotary.class),
        missing(HeadPrep.class),
        missing(SwiGlu.class),
        missing(HeadFusion.class),
        missing(ShortConv.class),
        missing(DecayGate.class),
        missing(TokenLoss.class),
        missing(Embedding.class),
        missing(Optim.class));
  }

  /** Stands in for a room that has no CUDA backend yet. */
  private static <T> T missing(Class<T> room) {
    Object stand =
        Proxy.newProxyInstance(
            room.getClassLoader(),
            new Class<?>[] {room},
            (proxy, method, arguments) -> {
              throw new UnsupportedOperationException(
                  room.getSimpleName() + "." + method.getName() + " has no CUDA backend yet");
            });
    return room.cast(stand);
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
