package io.hydrahead.model;

/**
 * The recurrent states of one sequence, in all layers together.
 *
 * @param heads with a state
 * @param keyDim K of a state [K, V]
 * @param valueDim V
 * @param historyFloats of the short convolutions' last inputs
 */
public record Recurrence(long heads, int keyDim, int valueDim, long historyFloats) {

  /** Those of a model; none in windowed heads. */
  public static Recurrence of(ModelConfig c, HeadPlan plan, Style style) {
    if (style.windowed()) {
      return new Recurrence(0, c.headDim(), c.headDim(), 0);
    }
    if (style.qwen35()) {
      long layers = plan.layers() - plan.fullCount() / plan.heads();
      DeltaNetConfig n = c.deltaNet();
      return new Recurrence(
          layers * n.valueHeads(), n.keyDim(), n.valueDim(), layers * n.historyFloats());
    }
    long heads = (long) plan.layers() * plan.heads() - plan.fullCount();
    long past = Math.max(0, style.convKernel() - 1);
    return new Recurrence(heads, c.headDim(), c.headDim(), 3 * past * heads * c.headDim());
  }

  /** Floats of the states themselves. */
  public long stateFloats() {
    return heads * keyDim * valueDim;
  }
}
