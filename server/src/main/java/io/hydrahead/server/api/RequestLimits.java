package io.hydrahead.server.api;

/**
 * What one request may ask for.
 *
 * @param choices most replies to a prompt ({@code n})
 * @param prompts most prompts of a completion
 * @param sequences most replies in all
 * @param stops most stop strings
 * @param stopLength most characters of a stop string
 * @param messages most messages of a chat
 * @param tools most tools
 * @param bias most entries of {@code logit_bias}
 * @param topLogprobs most alternatives a token
 * @param reply most tokens of a chat's reply that asks for no limit: room for all of them is set
 *     aside when it begins
 */
public record RequestLimits(
    int choices,
    int prompts,
    int sequences,
    int stops,
    int stopLength,
    int messages,
    int tools,
    int bias,
    int topLogprobs,
    int reply) {
  public static final RequestLimits DEFAULT =
      new RequestLimits(16, 128, 256, 16, 1000, 10_000, 256, 1024, 20, 4096);
}
