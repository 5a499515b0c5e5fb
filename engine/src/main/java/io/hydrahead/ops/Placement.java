package io.hydrahead.ops;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Memory;

/**
 * Where operations work and in what form they want their tensors.
 *
 * @param memory of all tensors that they are given
 * @param activations element type of activations and of matrices: F32, or BF16 on a device. Always
 *     float32 whatever this says: reciprocal norms, log-sum-exps, decays, write strengths,
 *     recurrent states, vectors of parameters, gradients of parameters, moments
 * @param packed whether parameters that share their input are multiplied as one matrix, so that
 *     operations find column slices as inputs and outputs
 * @param graphs how a step's launches are recorded
 * @param overlap how independent work is enqueued
 * @param owner what closing the operations frees
 */
public record Placement(
    Memory memory,
    DType activations,
    boolean packed,
    Graphs graphs,
    Overlap overlap,
    Runnable owner) {

  /** On the processor, in float32, one product a parameter. */
  public static final Placement HOST =
      new Placement(Memory.HOST, DType.F32, false, Graphs.IMMEDIATE, Overlap.NONE, () -> {});

  /** The same with another choice of {@code packed}. */
  public Placement withPacked(boolean wanted) {
    return new Placement(memory, activations, wanted, graphs, overlap, owner);
  }

  /** The same with another choice of {@code graphs}. */
  public Placement withGraphs(Graphs wanted) {
    return new Placement(memory, activations, packed, wanted, overlap, owner);
  }
}
