package io.hydrahead.server.api;

/**
 * Body of {@code GET /v1/hydrahead/state}: how things stand, and sums since the start.
 *
 * @param timeMs milliseconds since the start, to turn differences of sums into rates
 * @param waiting replies that wait
 * @param running replies that are worked on
 * @param promptTokens of requests that are over; a prompt counts once, however many replies it has
 * @param cachedTokens of these, those that did not have to be read
 * @param generatedTokens of replies, those under way included
 * @param cacheLookups prompts that were begun and may be known; once each, too
 * @param cacheHits of these, those that did not have to be read as a whole
 * @param tokensHeld tokens that the memory in use has room for, of requests and of the prefix cache
 * @param kvBytes keys and values in use
 * @param kvBytesMax memory that there is for them
 * @param stateBytes recurrent states in use
 * @param stateBytesMax memory that there is for them
 * @param vanillaKvBytes what {@code tokensHeld} would take if all heads were full
 */
public record ServerState(
    long timeMs,
    int waiting,
    int running,
    long promptTokens,
    long cachedTokens,
    long generatedTokens,
    long cacheLookups,
    long cacheHits,
    long tokensHeld,
    long kvBytes,
    long kvBytesMax,
    long stateBytes,
    long stateBytesMax,
    long vanillaKvBytes) {}
