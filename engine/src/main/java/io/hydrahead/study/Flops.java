package io.hydrahead.study;

import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ParameterShapes;
import io.hydrahead.model.Recurrence;
import io.hydrahead.model.Style;
import java.util.Map;

/**
 * Floating-point operations of a forward pass, by arithmetic alone: two a matrix element (the
 * embedding is a look-up, the LM head a matrix), 4·d a full head and visible position (scores and
 * values), and for a linear head's recurrence 7·d² (7·K·V in Qwen3.5): decay, S k, the rank-one
 * update and S q. A windowed head sees its window and sinks. Norms and activations are left out.
 */
public final class Flops {
  private Flops() {}

  /** A token's, mean over the positions of a text of {@code context} tokens. */
  public static double perToken(ModelConfig c, HeadPlan plan, Style style, int context) {
    double matrices = 0;
    for (Map.Entry<String, long[]> p : ParameterShapes.of(c, plan, style).entrySet()) {
      boolean lookUp = p.getKey().equals(ParameterShapes.EMBEDDING) && !c.tiedEmbeddings();
      if (p.getValue().length == 2 && !lookUp) {
        matrices += (double) p.getValue()[0] * p.getValue()[1];
      }
    }
    double d = c.headDim();
    double full = plan.fullCount();
    double linear = (double) c.layers() * c.heads() - full;
    double mixed =
        style.windowed()
            ? linear * 4 * d * visible(context, style)
            : 7.0 * Recurrence.of(c, plan, style).stateFloats();
    return 2 * matrices + full * 4 * d * (context + 1) / 2 + mixed;
  }

  /** Positions that a windowed head sees, mean over those of a text. */
  private static double visible(int context, Style style) {
    double most = style.window() + style.sinks();
    double grown = Math.min(context, most);
    return (grown * (grown + 1) / 2 + (context - grown) * most) / context;
  }
}
