package io.hydrahead.ops;

import io.hydrahead.ops.attention.CausalAttention;
import io.hydrahead.ops.conv.ShortConv;
import io.hydrahead.ops.decay.DecayGate;
import io.hydrahead.ops.decode.TokenDecoder;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.ops.embedding.Embedding;
import io.hydrahead.ops.fusion.HeadFusion;
import io.hydrahead.ops.gemm.Linear;
import io.hydrahead.ops.headprep.HeadPrep;
import io.hydrahead.ops.loss.TokenLoss;
import io.hydrahead.ops.norm.L2Norm;
import io.hydrahead.ops.norm.RmsNorm;
import io.hydrahead.ops.optim.Optim;
import io.hydrahead.ops.rotary.Rotary;
import io.hydrahead.ops.swiglu.SwiGlu;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Memory;

/**
 * The operations of one device, one backend each. Thread-safe only in that a model uses it from one
 * thread at a time; closing it stops the team.
 */
public record Ops(
    ComputePool pool,
    String description,
    boolean deterministic,
    Placement placement,
    Linear linear,
    CausalAttention attention,
    GatedDeltaRule deltaRule,
    RmsNorm rmsNorm,
    L2Norm l2Norm,
    Rotary rotary,
    HeadPrep headPrep,
    SwiGlu swiGlu,
    HeadFusion fusion,
    ShortConv conv,
    DecayGate decay,
    TokenLoss loss,
    Embedding embedding,
    Optim optim,
    TokenDecoder decoder)
    implements AutoCloseable {

  /** Where the tensors that the operations are given must lie. */
  public Memory memory() {
    return placement.memory();
  }

  /** Element type of activations and of the matrices they are multiplied with. */
  public DType activations() {
    return placement.activations();
  }

  /** Whether parameters that share their input are multiplied as one matrix. */
  public boolean packed() {
    return placement.packed();
  }

  /** Recording and replay of a step. */
  public Graphs graphs() {
    return placement.graphs();
  }

  /** How independent work is enqueued. */
  public Overlap overlap() {
    return placement.overlap();
  }

  /** These operations, placed otherwise. */
  public Ops with(Placement other) {
    return new Ops(
        pool,
        description,
        deterministic,
        other,
        linear,
        attention,
        deltaRule,
        rmsNorm,
        l2Norm,
        rotary,
        headPrep,
        swiGlu,
        fusion,
        conv,
        decay,
        loss,
        embedding,
        optim,
        decoder);
  }

  @Override
  public void close() {
    placement.owner().run();
    pool.close();
  }
}
