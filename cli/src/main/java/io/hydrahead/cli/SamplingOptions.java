package io.hydrahead.cli;

import io.hydrahead.model.Sampler;
import picocli.CommandLine.Option;

/** How the next token is chosen, and when to stop. */
final class SamplingOptions {
  @Option(
      names = "--temperature",
      paramLabel = "X",
      defaultValue = "0",
      description = "0 takes the most likely token; higher is more random (default: 0).")
  private double temperature;

  @Option(
      names = "--top-k",
      paramLabel = "K",
      defaultValue = "0",
      description = "Draw among the K most likely only; 0 is all.")
  private int topK;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      defaultValue = "1",
      description = "Draw among the most likely that together have probability P.")
  private double topP;

  @Option(
      names = "--min-p",
      paramLabel = "P",
      defaultValue = "0",
      description = "Draw only tokens at least P times as likely as the best; 0 is all.")
  private double minP;

  @Option(
      names = {"-n", "--max-tokens"},
      paramLabel = "N",
      defaultValue = "256",
      description = "Longest reply in tokens (default: ${DEFAULT-VALUE}).")
  private TokenCount maxTokens;

  Sampler sampler(long seed) {
    return new Sampler(new Sampler.Settings(temperature, topK, topP, minP, seed));
  }

  int maxTokens() {
    return (int) Math.min(maxTokens.tokens(), Integer.MAX_VALUE / 2);
  }
}
