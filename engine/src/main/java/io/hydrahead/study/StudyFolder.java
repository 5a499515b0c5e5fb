package io.hydrahead.study;

import java.nio.file.Path;

/** Where things lie in the folder of a study's run. Several processes may work in it. */
public record StudyFolder(Path root) {
  /** The tokenizer of all teachers. */
  public Path tokenizer() {
    return root.resolve("tokenizer");
  }

  public Path teacher(int seed) {
    return root.resolve("teachers").resolve("seed-" + seed);
  }

  /** {@code heads.json}: what the probe found. */
  public Path heads(int seed) {
    return root.resolve("probes").resolve("seed-" + seed).resolve("heads.json");
  }

  /** {@code scale.json}: how loud the teacher's heads are. */
  public Path scale(int seed) {
    return heads(seed).resolveSibling("scale.json");
  }

  /** Checkpoint, plan, recipe and log of a trained arm. */
  public Path model(String arm, int seed) {
    return root.resolve("models").resolve(arm).resolve("seed-" + seed);
  }

  /** What a trial of a learning rate came to. */
  public Path trial(String family, double factor) {
    return root.resolve("sweep").resolve(family + "-x" + factor + ".json");
  }

  /** Haystacks that all processes share. */
  public Path haystacks() {
    return root.resolve("haystacks");
  }

  /** Everything small that was measured. */
  public Path results() {
    return root.resolve("results");
  }

  /** {@code RESULTS.md} and its plots. */
  public Path report() {
    return root.resolve("report");
  }

  /** An arm's results: {@code arm.json}, and what the evaluation writes beside it. */
  public Path results(String arm, int seed) {
    return results().resolve(arm).resolve("seed-" + seed);
  }

  public Path armFile(String arm, int seed) {
    return results(arm, seed).resolve("arm.json");
  }

  /** Why a piece of work could not be done. */
  public Path failure(String unit) {
    return root.resolve("failed").resolve(unit.replaceAll("[^\\w.-]+", "-") + ".txt");
  }

  /** What a process locks while it works on a piece of work. */
  public Path claim(String unit) {
    return root.resolve("claims").resolve(unit.replaceAll("[^\\w.-]+", "-"));
  }
}
