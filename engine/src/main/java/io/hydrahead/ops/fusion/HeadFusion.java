package io.hydrahead.ops.fusion;

import io.hydrahead.tensor.Tensor;

/**
 * Scale-normalised fusion (HydraHead, arXiv:2606.20097): õ_h = γ_h · (RMSNorm(o_h) ⊙ σ(z_h)),
 * written at the head's place in the original order. N rows, h heads of one kind, H heads of the
 * layer, d head dim.
 */
public interface HeadFusion {
  /** Which parts are on; RMSNorm's eps. The gate is on when z is given. */
  record Switches(boolean norm, boolean gamma, boolean gate, float eps) {}

  /**
   * @param o outputs of one kind of head, [N, h·d]
   * @param z gate pre-activations without bias, [N, h·d]; ignored when the gate is off
   * @param bias of the gate, [h·d], or null
   * @param gamma one scalar for each of the layer's heads, [H]; ignored when γ is off
   * @param heads the places of the h heads among the H
   * @param out [N, H·d]: only these heads' columns are written
   * @param rstd [N, h] for the backward pass; null when there is none
   */
  void forward(
      Switches s,
      Tensor o,
      Tensor z,
      Tensor bias,
      Tensor gamma,
      int[] heads,
      int headDim,
      Tensor out,
      Tensor rstd);

  /** Assigns dO and dZ [N, h·d]; dBias [h·d] (or null) and dGamma [H] accumulate. */
  void backward(
      Switches s,
      Tensor o,
      Tensor z,
      Tensor bias,
      Tensor gamma,
      int[] heads,
      int headDim,
      Tensor rstd,
      Tensor dOut,
      Tensor dO,
      Tensor dZ,
      Tensor dBias,
      Tensor dGamma);
}
