package io.hydrahead.plan;

import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ParameterShapes;
import io.hydrahead.model.Recurrence;
import io.hydrahead.model.Style;
import io.hydrahead.tensor.DType;
import java.util.List;
import java.util.Map;

/**
 * What a model takes in memory, by arithmetic alone. With L layers, d head dim, p_l kept KV heads
 * and h_l linear heads of layer l, c bytes a cached number and k taps of the short convolution:
 *
 * <ul>
 *   <li>KV cache of n tokens: n · Σ_l 2·p_l·d·c, and of windowed heads, with window W and S sinks,
 *       min(n, W + S) · Σ_l 2·h_l·d·c
 *   <li>recurrent state, whatever n: Σ_l h_l·d²·4 (float32), and with k &gt; 0 Σ_l 3·(k−1)·h_l·d·4;
 *       windowed heads have none; Qwen3.5's are of other sizes, see {@link Recurrence}
 *   <li>parameters: matrices in the weight type; vectors and convolutions in float32
 * </ul>
 *
 * @param parameters number of scalars
 * @param parameterBytes in the given weight type
 * @param kvBytesPerToken of the kept KV heads of all layers
 * @param windowBytesPerToken of the windowed heads of all layers
 * @param windowTokens that windowed heads keep at most; 0 without such heads
 * @param stateBytes of one sequence, whatever its length
 * @param headShare full heads over all heads
 * @param cacheShare kept KV heads over all KV heads: the KV cache against that of all heads full
 */
public record MemoryPlan(
    long parameters,
    long parameterBytes,
    long kvBytesPerToken,
    long windowBytesPerToken,
    long windowTokens,
    long stateBytes,
    double headShare,
    double cacheShare) {

  /** The context lengths that commands and reports list: 4K … 512K. */
  public static final List<Integer> LENGTHS =
      List.of(1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 19);

  /**
   * @param weights element type of the matrices
   * @param cache element type of the KV cache; the CPU engine keeps float32
   */
  public static MemoryPlan of(
      ModelConfig config, HeadPlan plan, Style style, DType weights, DType cache) {
    long d = config.headDim();
    long kept = 0;
    long linear = 0;
    for (int l = 0; l < config.layers(); l++) {
      kept += plan.keptKvHeads(l, config.kvHeads()).length;
      linear += plan.linearHeads(l).length;
    }
    boolean windowed = style.windowed();
    Recurrence r = Recurrence.of(config, plan, style);
    long count = 0;
    long bytes = 0;
    for (Map.Entry<String, long[]> p : ParameterShapes.of(config, plan, style).entrySet()) {
      long size = 1;
      for (long s : p.getValue()) {
        size *= s;
      }
      boolean matrix = p.getValue().length == 2 && !p.getKey().endsWith("_conv.weight");
      count += size;
      bytes += size * (matrix ? weights.bytes() : Float.BYTES);
    }
    return new MemoryPlan(
        count,
        bytes,
        2 * kept * d * cache.bytes(),
        windowed ? 2 * linear * d * cache.bytes() : 0,
        (long) style.window() + style.sinks(),
        (r.stateFloats() + r.historyFloats()) * Float.BYTES,
        plan.headShare(),
        plan.cacheShare(config.kvHeads()));
  }

  /** Bytes of the KV cache of one sequence of {@code tokens}. */
  public long kvBytes(long tokens) {
    return Math.addExact(
        Math.multiplyExact(kvBytesPerToken, tokens),
        windowBytesPerToken * Math.min(tokens, windowTokens));
  }

  /** KV cache and recurrent state of one sequence of {@code tokens}. */
  public long cacheBytes(long tokens) {
    return Math.addExact(kvBytes(tokens), stateBytes);
  }
}
