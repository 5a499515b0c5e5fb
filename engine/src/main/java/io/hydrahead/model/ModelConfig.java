package io.hydrahead.model;

import java.util.List;

/**
 * Shape and constants of a model, as in a Qwen3 or Qwen3.5 {@code config.json}.
 *
 * @param vocabSize V, rows of the embedding
 * @param hiddenSize D
 * @param intermediateSize F, width of the MLP
 * @param layers L
 * @param heads H, query heads a layer
 * @param kvHeads KV heads a layer; divides H
 * @param headDim d; even
 * @param maxPositionEmbeddings context in tokens that it was trained for
 * @param tiedEmbeddings whether the LM head is the embedding
 * @param eosTokenIds tokens that end a reply; may be empty
 * @param bosTokenId −1 when there is none
 * @param deltaNet shape of Qwen3.5's linear layers; {@link DeltaNetConfig#NONE} in other models
 */
public record ModelConfig(
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int layers,
    int heads,
    int kvHeads,
    int headDim,
    int maxPositionEmbeddings,
    float rmsNormEps,
    RotaryConfig rotary,
    boolean tiedEmbeddings,
    int bosTokenId,
    List<Integer> eosTokenIds,
    DeltaNetConfig deltaNet) {

  /** Of a model without Qwen3.5's linear layers. */
  public ModelConfig(
      int vocabSize,
      int hiddenSize,
      int intermediateSize,
      int layers,
      int heads,
      int kvHeads,
      int headDim,
      int maxPositionEmbeddings,
      float rmsNormEps,
      RotaryConfig rotary,
      boolean tiedEmbeddings,
      int bosTokenId,
      List<Integer> eosTokenIds) {
    this(
        vocabSize,
        hiddenSize,
        intermediateSize,
        layers,
        heads,
        kvHeads,
        headDim,
        maxPositionEmbeddings,
        rmsNormEps,
        rotary,
        tiedEmbeddings,
        bosTokenId,
        eosTokenIds,
        DeltaNetConfig.NONE);
  }

  public ModelConfig {
    eosTokenIds = List.copyOf(eosTokenIds);
    positive("vocab_size", vocabSize);
    positive("hidden_size", hiddenSize);
    positive("intermediate_size", intermediateSize);
    positive("num_hidden_layers", layers);
    positive("num_attention_heads", heads);
    positive("num_key_value_heads", kvHeads);
    positive("head_dim", headDim);
    positive("max_position_embeddings", maxPositionEmbeddings);
    if (heads % kvHeads != 0) {
      throw new IllegalArgumentException(
          "num_attention_heads " + heads + " is not a multiple of num_key_value_heads " + kvHeads);
    }
    if (headDim % 2 != 0) {
      throw new IllegalArgumentException("head_dim " + headDim + " is odd; rotary needs it even");
    }
    if (rotary.dims(headDim) % 2 != 0 || rotary.dims(headDim) < 2) {
      throw new IllegalArgumentException(
          "partial_rotary_factor "
              + rotary.partial()
              + " of head_dim "
              + headDim
              + " is not an even number of dims");
    }
  }

  private static void positive(String field, int value) {
    if (value < 1) {
      throw new IllegalArgumentException(field + " must be at least 1, not " + value);
    }
  }

  /** This config for a model that was trained for {@code tokens} of context. */
  public ModelConfig withContext(int tokens) {
    return new ModelConfig(
        vocabSize,
        hiddenSize,
        intermediateSize,
        layers,
        heads,
        kvHeads,
        headDim,
        tokens,
        rmsNormEps,
        rotary,
        tiedEmbeddings,
        bosTokenId,
        eosTokenIds,
        deltaNet);
  }

  /** This config with another rotary embedding. */
  public ModelConfig withRotary(RotaryConfig other) {
    return new ModelConfig(
        vocabSize,
        hiddenSize,
        intermediateSize,
        layers,
        heads,
        kvHeads,
        headDim,
        maxPositionEmbeddings,
        rmsNormEps,
        other,
        tiedEmbeddings,
        bosTokenId,
        eosTokenIds,
        deltaNet);
  }

  /** This config with a tokenizer's vocabulary and the tokens that end a reply. */
  public ModelConfig withVocabulary(int size, List<Integer> endTokens) {
    return new ModelConfig(
        size,
        hiddenSize,
        intermediateSize,
        layers,
        heads,
        kvHeads,
        headDim,
        maxPositionEmbeddings,
        rmsNormEps,
        rotary,
        tiedEmbeddings,
        bosTokenId,
        endTokens,
        deltaNet);
  }

  /** Query heads to a KV head. */
  public int group() {
    return heads / kvHeads;
  }
}
