package io.hydrahead.model;

/**
 * What a model remembers of one sequence, in bytes: as much as a {@link Session} holds in its caches.
 *
 * @param keyValueBytesPerToken keys and values of the kept KV heads, float32
 * @param stateBytes recurrent state and convolution inputs of the linear heads, float32; it does not
 *     grow with the context
 */
public record CacheSize(long keyValueBytesPerToken, long stateBytes) {

  /** The caches of a model with this config, plan and style. */
  public static CacheSize of(ModelConfig c, HeadPlan plan, Style style) {
    long perToken = 0;
    long state = 0;
    long d = c.headDim();
    for (int l = 0; l < c.layers(); l++) {
      perToken += 2L * plan.keptKvHeads(l, c.kvHeads()).length * d * Float.BYTES;
      long linear = plan.linearHeads(l).length;
      state += linear * d * d * Float.BYTES;
      if (style.convKernel() > 0) {
        state += 3L * (style.convKernel() - 1) * linear * d * Float.BYTES;
      }
    }
    return new CacheSize(perToken, state);
  }

  /** Bytes at a context of {@code tokens}. */
  public long bytes(long tokens) {
    return Math.addExact(Math.multiplyExact(keyValueBytesPerToken, tokens), stateBytes);
  }
}
