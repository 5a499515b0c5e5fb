package io.hydrahead.server.api;

/** What a request took, in tokens. */
public record Usage(
    int promptTokens,
    int completionTokens,
    int totalTokens,
    PromptTokensDetails promptTokensDetails) {
  /**
   * @param cachedTokens of the prompt, those that did not have to be read
   */
  public record PromptTokensDetails(int cachedTokens) {}

  public static Usage of(int prompt, int completion, int cached) {
    return new Usage(prompt, completion, prompt + completion, new PromptTokensDetails(cached));
  }
}
