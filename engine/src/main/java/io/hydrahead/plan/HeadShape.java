package io.hydrahead.plan;

import io.hydrahead.model.ModelConfig;

/**
 * What a plan must know of a model.
 *
 * @param layers L
 * @param heads H, query heads a layer
 * @param kvHeads KV heads a layer; divides H
 */
public record HeadShape(int layers, int heads, int kvHeads) {
  public HeadShape {
    if (layers < 1 || heads < 1 || kvHeads < 1 || heads % kvHeads != 0) {
      throw new IllegalArgumentException(
          layers + " layers × " + heads + " heads in " + kvHeads + " KV heads is no shape");
    }
  }

  /** That of a model. */
  public static HeadShape of(ModelConfig config) {
    return new HeadShape(config.layers(), config.heads(), config.kvHeads());
  }

  /** Query heads to a KV head. */
  public int group() {
    return heads / kvHeads;
  }

  /** Heads in all, L·H. */
  public int cells() {
    return layers * heads;
  }
}
