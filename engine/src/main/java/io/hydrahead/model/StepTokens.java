package io.hydrahead.model;

import io.hydrahead.ops.loss.LikelyTokens;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;

/**
 * The next tokens after a {@link BatchStep}, from its logits: the likeliest, or sampled. Of a
 * device's logits only what decides comes to the host. V vocabulary.
 */
final class StepTokens implements AutoCloseable {
  private final HybridTransformer model;
  private final boolean host;
  private final Workspace hostMemory = new Workspace();
  private final Sampler greedy = new Sampler(Sampler.Settings.GREEDY);
  private final Tensor hostRow;
  private final Tensor hostBest;

  /** On a device, for sampling; null on the host. */
  private final Tensor temperatures;

  private final LikelyTokens deviceLikely;
  private final LikelyTokens hostLikely;

  /** Of the last step; null before the first. */
  private Tensor logits;

  private Tensor best;
  private boolean pieceFirst;
  private int decodes;
  private boolean bestKnown;

  /**
   * @param rows most rows of logits that a step has
   */
  StepTokens(HybridTransformer model, Workspace memory, int rows) {
    this.model = model;
    host = model.ops().memory().host();
    hostRow = Tensor.allocate(Arena.ofAuto(), model.config().vocabSize());
    hostBest = Tensor.allocate(Arena.ofAuto(), DType.I32, rows);
    temperatures = host ? null : memory.f32(rows);
    deviceLikely = host ? null : likely(memory, rows);
    hostLikely = host ? null : likely(hostMemory, rows);
  }

  private static LikelyTokens likely(Workspace w, int rows) {
    return new LikelyTokens(
        w.allocate(DType.I32, rows),
        w.f32(rows, 2),
        w.allocate(DType.I32, rows, LikelyTokens.MOST),
        w.f32(rows, LikelyTokens.MOST));
  }

  /**
   * A step begins whose logits will stand in {@code stepLogits}.
   *
   * @param stepLogits [R, V]: of the piece's last token, if {@code withPiece}, then one row for
   *     each of {@code decoding} sequences
   * @param stepBest [R], the likeliest id of each row; filled on a device only
   */
  void begin(Tensor stepLogits, Tensor stepBest, boolean withPiece, int decoding) {
    logits = stepLogits;
    best = stepBest;
    pieceFirst = withPiece;
    decodes = decoding;
    bestKnown = false;
  }

  /** Row of a sequence's logits: −1 for the piece, else a place in the list. */
  private int row(int sequence) {
    if (logits == null || sequence < 0 && !pieceFirst || sequence >= decodes) {
      throw new IllegalArgumentException("the last step had no sequence " + sequence);
    }
    return sequence < 0 ? 0 : sequence + (pieceFirst ? 1 : 0);
  }

  /** {@link BatchStep#logits}. */
  Tensor logits(int sequence) {
    Tensor row = logits.rows(row(sequence), 1).view(hostRow.size());
    if (host) {
      return row;
    }
    hostRow.copyFrom(row);
    return hostRow;
  }

  /** {@link BatchStep#best}. */
  int best(int sequence) {
    int row = row(sequence);
    if (host) {
      return greedy.next(logits(sequence));
    }
    if (!bestKnown) {
      hostBest.rows(0, best.size()).copyFrom(best);
      bestKnown = true;
    }
    return hostBest.getInt(row);
  }

  /** {@link BatchStep#sample}. */
  int[] sample(int[] sequences, List<Sampler> samplers) {
    int[] next = new int[sequences.length];
    boolean likely = !host && findLikely(sequences, samplers);
    for (int i = 0; i < next.length; i++) {
      int sequence = sequences[i];
      Sampler s = samplers.get(i);
      if (s.settings().temperature() == 0) {
        next[i] = best(sequence);
      } else if (likely) {
        Likely some = Likely.of(hostLikely, row(sequence));
        next[i] = s.next(some, () -> logits(sequence));
      } else {
        next[i] = s.next(logits(sequence));
      }
    }
    return next;
  }

  /** Finds the likeliest tokens of all rows of the last step; false if nobody needs them. */
  private boolean findLikely(int[] sequences, List<Sampler> samplers) {
    float[] t = new float[Math.toIntExact(best.size())];
    Arrays.fill(t, 1f);
    boolean any = false;
    for (int i = 0; i < sequences.length; i++) {
      double own = samplers.get(i).settings().temperature();
      if (own > 0) {
        t[row(sequences[i])] = (float) own;
        any = true;
      }
    }
    if (any) {
      Tensor given = temperatures.rows(0, t.length);
      given.copyFrom(t);
      LikelyTokens some = deviceLikely.rows(t.length);
      model.ops().loss().likely(logits, given, some);
      LikelyTokens here = hostLikely.rows(t.length);
      here.counts().copyFrom(some.counts());
      here.stats().copyFrom(some.stats());
      here.ids().copyFrom(some.ids());
      here.values().copyFrom(some.values());
    }
    return any;
  }

  @Override
  public void close() {
    hostMemory.close();
  }
}
