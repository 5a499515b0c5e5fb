package io.hydrahead.ops;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.ops.attention.CpuCausalAttention;
import io.hydrahead.ops.attention.ReferenceCausalAttention;
import io.hydrahead.ops.conv.CpuShortConv;
import io.hydrahead.ops.conv.ReferenceShortConv;
import io.hydrahead.ops.decay.CpuDecayGate;
import io.hydrahead.ops.decay.ReferenceDecayGate;
import io.hydrahead.ops.decode.TokenDecoder;
import io.hydrahead.ops.deltarule.CpuGatedDeltaRule;
import io.hydrahead.ops.deltarule.ReferenceGatedDeltaRule;
import io.hydrahead.ops.embedding.CpuEmbedding;
import io.hydrahead.ops.embedding.ReferenceEmbedding;
import io.hydrahead.ops.fusion.CpuHeadFusion;
import io.hydrahead.ops.fusion.ReferenceHeadFusion;
import io.hydrahead.ops.gemm.CpuLinear;
import io.hydrahead.ops.gemm.Gemm;
import io.hydrahead.ops.gemm.Gemms;
import io.hydrahead.ops.gemm.ReferenceLinear;
import io.hydrahead.ops.headprep.CpuHeadPrep;
import io.hydrahead.ops.headprep.ReferenceHeadPrep;
import io.hydrahead.ops.loss.CpuTokenLoss;
import io.hydrahead.ops.loss.ReferenceTokenLoss;
import io.hydrahead.ops.norm.CpuL2Norm;
import io.hydrahead.ops.norm.CpuRmsNorm;
import io.hydrahead.ops.norm.ReferenceL2Norm;
import io.hydrahead.ops.norm.ReferenceRmsNorm;
import io.hydrahead.ops.optim.CpuOptim;
import io.hydrahead.ops.optim.ReferenceOptim;
import io.hydrahead.ops.rotary.CpuRotary;
import io.hydrahead.ops.rotary.ReferenceRotary;
import io.hydrahead.ops.swiglu.CpuSwiGlu;
import io.hydrahead.ops.swiglu.ReferenceSwiGlu;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Simd;

/** Bundles one backend of every operation. */
public final class OpsFactory {
  private OpsFactory() {}

  /** Plain loops everywhere: slow, simple, what every other backend is measured against. */
  public static Ops reference(int threads) {
    return new Ops(
        new ComputePool(threads),
        "reference: plain loops on one thread",
        true,
        Placement.HOST,
        new ReferenceLinear(),
        new ReferenceCausalAttention(),
        new ReferenceGatedDeltaRule(),
        new ReferenceRmsNorm(),
        new ReferenceL2Norm(),
        new ReferenceRotary(),
        new ReferenceHeadPrep(),
        new ReferenceSwiGlu(),
        new ReferenceHeadFusion(),
        new ReferenceShortConv(),
        new ReferenceDecayGate(),
        new ReferenceTokenLoss(),
        new ReferenceEmbedding(),
        new ReferenceOptim(),
        TokenDecoder.NONE);
  }

  /**
   * The fastest backends that work on this machine. Deterministic mode takes the built-in GEMM,
   * whose rows do not depend on their neighbours, whatever {@code blas} says.
   *
   * @throws IllegalArgumentException if {@code blas} names no backend
   */
  public static Ops cpu(OpsOptions options) {
    ComputePool pool = new ComputePool(options.threads());
    try {
      return cpu(options, pool);
    } catch (RuntimeException e) {
      pool.close();
      throw e;
    }
  }

  /**
   * The operations of a GPU; closing them frees it.
   *
   * @throws io.hydrahead.cuda.CudaUnavailableException if it cannot be used, with the fix
   */
  public static Ops cuda(CudaOptions options) {
    return cuda(CudaDevice.open(options.device()), options);
  }

  /** The operations of a GPU that is already open; closing them closes it. */
  public static Ops cuda(CudaDevice device, CudaOptions options) {
    boolean ready = false;
    try {
      Ops ops = CudaOps.of(device, options);
      ready = true;
      return ops;
    } finally {
      if (!ready) {
        device.close();
      }
    }
  }

  private static Ops cpu(OpsOptions options, ComputePool pool) {
    Gemm gemm = Gemms.select(options.deterministic() ? "java" : options.blas(), pool);
    return new Ops(
        pool,
        describe(options, gemm),
        options.deterministic(),
        Placement.HOST,
        new CpuLinear(gemm, pool, options.deterministic()),
        new CpuCausalAttention(pool, options.deterministic()),
        new CpuGatedDeltaRule(pool),
        new CpuRmsNorm(pool),
        new CpuL2Norm(pool),
        new CpuRotary(pool),
        new CpuHeadPrep(pool),
        new CpuSwiGlu(pool),
        new CpuHeadFusion(pool),
        new CpuShortConv(pool),
        new CpuDecayGate(pool),
        new CpuTokenLoss(pool),
        new CpuEmbedding(pool),
        new CpuOptim(pool),
        TokenDecoder.NONE);
  }

  private static String describe(OpsOptions options, Gemm gemm) {
    String lanes = Simd.available() ? Simd.floatLanes() + " float lanes" : "scalar Java";
    String mode = options.deterministic() ? ", deterministic" : "";
    return "cpu: " + options.threads() + " threads, " + lanes + ", GEMM " + gemm.name() + mode;
  }
}
