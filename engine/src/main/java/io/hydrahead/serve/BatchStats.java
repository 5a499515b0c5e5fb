package io.hydrahead.serve;

/**
 * How things stand in a {@link BatchEngine} at a moment.
 *
 * @param tokens that the blocks in use have room for; where texts share blocks, they count once
 * @param kvBytes bytes of the blocks in use, by texts or the prefix cache
 * @param kvBytesCached of these, what the prefix cache has (a text may have it, too)
 * @param kvBytesTotal bytes of all blocks
 * @param stateBytes bytes of the slots in use
 * @param stateBytesCached of these, snapshots
 * @param stateBytesTotal bytes of all slots
 * @param lookups prompts that were looked up
 * @param hits of these, with a prefix that was known
 * @param cachedTokens tokens that were not read again
 * @param restoredTokens of these, the ones that another engine had saved
 * @param evictedBlocks blocks that made room
 * @param evictedSnapshots snapshots that did
 */
public record BatchStats(
    int sequences,
    long tokens,
    long kvBytes,
    long kvBytesCached,
    long kvBytesTotal,
    long stateBytes,
    long stateBytesCached,
    long stateBytesTotal,
    long lookups,
    long hits,
    long cachedTokens,
    long restoredTokens,
    long evictedBlocks,
    long evictedSnapshots) {}
