package io.hydrahead.server.api;

import java.util.List;

/**
 * Body of {@code GET /v1/hydrahead/model}: what is served.
 *
 * @param chat whether it has a chat template
 * @param chatTemplate where that is from: {@code own}, {@code chatml} or {@code none}
 * @param maxModelLen most tokens of prompt and reply
 * @param trainedContext tokens that the model was trained for
 * @param layers L
 * @param heads H, query heads a layer
 * @param kvHeads KV heads a layer
 * @param headDim numbers a head
 * @param fullAttentionHeads of each layer, its query heads with full attention, ascending
 * @param otherHeads what the others do: {@code gated_delta}, {@code window}, or {@code none} where
 *     there are none
 */
public record ModelFacts(
    String id,
    boolean chat,
    String chatTemplate,
    int maxModelLen,
    int trainedContext,
    int layers,
    int heads,
    int kvHeads,
    int headDim,
    List<List<Integer>> fullAttentionHeads,
    String otherHeads,
    Memory memory) {

  /**
   * What one text takes.
   *
   * @param kvBytesPerToken of the KV heads that are kept
   * @param windowBytesPerToken of windowed heads, for their last tokens
   * @param windowTokens how many tokens that is at most; 0 without such heads
   * @param stateBytes recurrent states, whatever the length
   * @param vanillaKvBytesPerToken if all heads were full
   */
  public record Memory(
      long kvBytesPerToken,
      long windowBytesPerToken,
      long windowTokens,
      long stateBytes,
      long vanillaKvBytesPerToken) {}
}
