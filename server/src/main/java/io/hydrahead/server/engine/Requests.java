package io.hydrahead.server.engine;

import io.hydrahead.tensor.InputException;

/** What every scheduler asks of a request before it takes it. */
final class Requests {
  private Requests() {}

  /**
   * Looks at the request's lengths and ids.
   *
   * @throws Scheduler.ContextException if prompt and reply do not fit
   * @throws InputException if an id is outside the vocabulary
   */
  static void check(GenerationRequest request, int maxContext, int vocabSize) {
    int prompt = request.promptTokens();
    if ((long) prompt + request.maxTokens() > maxContext) {
      throw new Scheduler.ContextException(prompt, request.maxTokens(), maxContext);
    }
    for (int id : request.prompt()) {
      if (id < 0 || id >= vocabSize) {
        throw new InputException(
            "token id " + id + " is outside the vocabulary of " + vocabSize + " tokens");
      }
    }
    for (int id : request.edits().bias().keySet()) {
      if (id < 0 || id >= vocabSize) {
        throw new InputException(
            "logit_bias: token id " + id + " is outside the vocabulary of " + vocabSize);
      }
    }
  }
}
