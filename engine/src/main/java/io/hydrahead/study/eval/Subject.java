package io.hydrahead.study.eval;

import io.hydrahead.model.HybridTransformer;

/**
 * A trained model under evaluation.
 *
 * @param arm name of its arm
 * @param seed of its training; haystacks depend on it too
 * @param model kept open, and closed, by the caller
 * @param checkpoint hash of parameters and of what else its answers follow from
 */
public record Subject(String arm, int seed, HybridTransformer model, String checkpoint) {}
