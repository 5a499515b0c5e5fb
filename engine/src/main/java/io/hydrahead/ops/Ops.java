package io.hydrahead.ops;

import io.hydrahead.ops.attention.CausalAttention;
import io.hydrahead.ops.conv.ShortConv;
import io.hydrahead.ops.decay.DecayGate;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.ops.embedding.Embedding;
import io.hydrahead.ops.fusion.HeadFusion;
import io.hydrahead.ops.gemm.Linear;
import io.hydrahead.ops.loss.TokenLoss;
import io.hydrahead.ops.norm.L2Norm;
import io.hydrahead.ops.norm.RmsNorm;
import io.hydrahead.ops.optim.Optim;
import io.hydrahead.ops.rotary.Rotary;
import io.hydrahead.ops.swiglu.SwiGlu;
import io.hydrahead.tensor.ComputePool;

/**
 * The operations of one device, one backend each. Thread-safe only in that a model uses it from one
 * thread at a time; closing it stops the team.
 */
public record Ops(
    ComputePool pool,
    String description,
    boolean deterministic,
    Linear linear,
    CausalAttention attention,
    GatedDeltaRule deltaRule,
    RmsNorm rmsNorm,
    L2Norm l2Norm,
    Rotary rotary,
    SwiGlu swiGlu,
    HeadFusion fusion,
    ShortConv conv,
    DecayGate decay,
    TokenLoss loss,
    Embedding embedding,
    Optim optim)
    implements AutoCloseable {

  @Override
  public void close() {
    pool.close();
  }
}
