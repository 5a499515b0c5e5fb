package io.hydrahead.server.engine;

import io.hydrahead.model.LogitEdits;
import io.hydrahead.model.Sampler;
import java.util.Arrays;
import java.util.Optional;
import java.util.Set;

/**
 * One sequence to read and continue, in tokens. Made by {@link #of} and the methods that change one
 * thing of it.
 *
 * @param prompt ids, at least one
 * @param maxTokens most tokens of the reply; 0 reads the prompt only
 * @param sampling how tokens are chosen
 * @param edits penalties and bias
 * @param endIds tokens that end the reply and are not part of it
 * @param logprobs how many of the most likely tokens come with each token; −1 for no
 *     log-probabilities at all
 * @param promptLogprobs whether the prompt's tokens get theirs, too
 * @param constraint what the reply must be, if anything
 */
public record GenerationRequest(
    int[] prompt,
    int maxTokens,
    Sampler.Settings sampling,
    LogitEdits.Settings edits,
    Set<Integer> endIds,
    int logprobs,
    boolean promptLogprobs,
    Optional<Constraint.Maker> constraint) {

  public GenerationRequest {
    prompt = prompt.clone();
    endIds = Set.copyOf(endIds);
    if (prompt.length == 0) {
      throw new IllegalArgumentException("the prompt is empty");
    }
    if (maxTokens < 0 || logprobs < -1) {
      throw new IllegalArgumentException("negative limits");
    }
  }

  /** Continues {@code prompt} greedily by at most {@code maxTokens}. */
  public static GenerationRequest of(int[] prompt, int maxTokens) {
    return new GenerationRequest(
        prompt,
        maxTokens,
        Sampler.Settings.GREEDY,
        LogitEdits.Settings.NONE,
        Set.of(),
        -1,
        false,
        Optional.empty());
  }

  /** The same with tokens chosen otherwise. */
  public GenerationRequest sampling(Sampler.Settings s) {
    return new GenerationRequest(
        prompt, maxTokens, s, edits, endIds, logprobs, promptLogprobs, constraint);
  }

  /** The same with other penalties and bias. */
  public GenerationRequest edits(LogitEdits.Settings e) {
    return new GenerationRequest(
        prompt, maxTokens, sampling, e, endIds, logprobs, promptLogprobs, constraint);
  }

  /** The same with other tokens that end the reply. */
  public GenerationRequest endIds(Set<Integer> ids) {
    return new GenerationRequest(
        prompt, maxTokens, sampling, edits, ids, logprobs, promptLogprobs, constraint);
  }

  /**
   * The same with log-probabilities of {@code top} tokens, of the prompt's too if {@code ofPrompt}.
   */
  public GenerationRequest logprobs(int top, boolean ofPrompt) {
    return new GenerationRequest(
        prompt, maxTokens, sampling, edits, endIds, top, ofPrompt, constraint);
  }

  /** The same for a reply that must fulfil a constraint. */
  public GenerationRequest constraint(Constraint.Maker maker) {
    return new GenerationRequest(
        prompt, maxTokens, sampling, edits, endIds, logprobs, promptLogprobs, Optional.of(maker));
  }

  @Override
  public int[] prompt() {
    return prompt.clone();
  }

  /** Number of tokens of the prompt. */
  public int promptTokens() {
    return prompt.length;
  }

  @Override
  public boolean equals(Object o) {
    return this == o;
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(prompt);
  }
}
