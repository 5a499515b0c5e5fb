package io.hydrahead.ops;

import io.hydrahead.ops.attention.ReferenceCausalAttention;
import io.hydrahead.ops.conv.ReferenceShortConv;
import io.hydrahead.ops.decay.ReferenceDecayGate;
import io.hydrahead.ops.deltarule.ReferenceGatedDeltaRule;
import io.hydrahead.ops.embedding.ReferenceEmbedding;
import io.hydrahead.ops.fusion.ReferenceHeadFusion;
import io.hydrahead.ops.gemm.ReferenceLinear;
import io.hydrahead.ops.loss.ReferenceTokenLoss;
import io.hydrahead.ops.norm.ReferenceL2Norm;
import io.hydrahead.ops.norm.ReferenceRmsNorm;
import io.hydrahead.ops.optim.ReferenceOptim;
import io.hydrahead.ops.rotary.ReferenceRotary;
import io.hydrahead.ops.swiglu.ReferenceSwiGlu;
import io.hydrahead.tensor.ComputePool;

/** Bundles one backend of every operation. */
public final class OpsFactory {
  private OpsFactory() {}

  /** Plain loops everywhere: slow, simple, what every other backend is measured against. */
  public static Ops reference(int threads) {
    return new Ops(
        new ComputePool(threads),
        "reference: plain loops on one thread",
        true,
        new ReferenceLinear(),
        new ReferenceCausalAttention(),
        new ReferenceGatedDeltaRule(),
        new ReferenceRmsNorm(),
        new ReferenceL2Norm(),
        new ReferenceRotary(),
        new ReferenceSwiGlu(),
        new ReferenceHeadFusion(),
        new ReferenceShortConv(),
        new ReferenceDecayGate(),
        new ReferenceTokenLoss(),
        new ReferenceEmbedding(),
        new ReferenceOptim());
  }

  /** The fastest backends that work on this machine. */
  public static Ops cpu(OpsOptions options) {
    return reference(options.threads());
  }
}
