package io.hydrahead.plan;

import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.Style;
import io.hydrahead.report.ModelFacts;
import io.hydrahead.report.ReportInput.HeadScoreMap;
import io.hydrahead.tensor.DType;

/** What a report says of a model, from its structure. */
public final class ReportModels {
  private ReportModels() {}

  /**
   * @param name as in the results
   * @param nativeContext of the Transformer that the model is or was made of; 0 if not known
   * @param weights element type of the matrices
   * @param cache element type of the KV cache
   * @param source file that the numbers are cited from
   */
  public static ModelFacts of(
      String name,
      ModelConfig config,
      HeadPlan plan,
      Style style,
      int nativeContext,
      DType weights,
      DType cache,
      String source) {
    MemoryPlan m = MemoryPlan.of(config, plan, style, weights, cache);
    return new ModelFacts(
        name,
        plan.toLists(),
        config.heads(),
        config.kvHeads(),
        nativeContext,
        config.maxPositionEmbeddings(),
        new ModelFacts.Memory(
            m.parameters(),
            m.parameterBytes(),
            m.kvBytesPerToken(),
            m.stateBytes() + m.windowBytesPerToken() * m.windowTokens()),
        source);
  }

  /** The probe's scores as a report shows them. */
  public static HeadScoreMap of(HeadScores scores, String source) {
    return new HeadScoreMap(scores.scores(), source);
  }
}
