package io.hydrahead.model;

import java.util.Arrays;
import java.util.List;

/**
 * Which cells (layer, query head) keep full attention; all others run linear attention. Immutable.
 */
public final class HeadPlan {
  private final boolean[][] full;

  private HeadPlan(boolean[][] full) {
    this.full = full;
  }

  /** Every cell full: the plan of a vanilla Transformer. */
  public static HeadPlan allFull(int layers, int heads) {
    boolean[][] f = new boolean[layers][heads];
    for (boolean[] row : f) {
      Arrays.fill(row, true);
    }
    return new HeadPlan(f);
  }

  /** From a matrix [L][H], which is copied: true where a head is full. */
  public static HeadPlan of(boolean[][] full) {
    boolean[][] copy = new boolean[full.length][];
    for (int l = 0; l < full.length; l++) {
      copy[l] = full[l].clone();
    }
    return new HeadPlan(copy);
  }

  /**
   * From the list form of {@code plan.json}: the full heads of each layer.
   *
   * @throws IllegalArgumentException naming the layer and head, if one is out of range or given
   *     twice
   */
  public static HeadPlan of(List<? extends List<Integer>> fullHeads, int layers, int heads) {
    if (fullHeads.size() != layers) {
      throw new IllegalArgumentException(
          "the plan has " + fullHeads.size() + " layers, the model has " + layers);
    }
    boolean[][] f = new boolean[layers][heads];
    for (int l = 0; l < layers; l++) {
      for (int h : fullHeads.get(l)) {
        if (h < 0 || h >= heads) {
          throw new IllegalArgumentException(
              "the plan's layer "
                  + l
                  + " names head "
                  + h
                  + "; the model has heads 0…"
                  + (heads - 1));
        }
        if (f[l][h]) {
          throw new IllegalArgumentException(
              "the plan's layer " + l + " names head " + h + " twice");
        }
        f[l][h] = true;
      }
    }
    return new HeadPlan(f);
  }

  /** L. */
  public int layers() {
    return full.length;
  }

  /** H, query heads a layer. */
  public int heads() {
    return full.length == 0 ? 0 : full[0].length;
  }

  /** Whether a query head keeps full attention. */
  public boolean isFull(int layer, int head) {
    return full[layer][head];
  }

  /** Full heads of a layer, ascending. */
  public int[] fullHeads(int layer) {
    return pick(layer, true);
  }

  /** Linear heads of a layer, ascending. */
  public int[] linearHeads(int layer) {
    return pick(layer, false);
  }

  private int[] pick(int layer, boolean value) {
    int[] out = new int[heads()];
    int n = 0;
    for (int h = 0; h < heads(); h++) {
      if (full[layer][h] == value) {
        out[n++] = h;
      }
    }
    return Arrays.copyOf(out, n);
  }

  /**
   * KV heads of a layer whose cache is kept, because a query head of their group is full;
   * ascending.
   */
  public int[] keptKvHeads(int layer, int kvHeads) {
    int group = heads() / kvHeads;
    int[] out = new int[kvHeads];
    int n = 0;
    for (int g = 0; g < kvHeads; g++) {
      for (int h = g * group; h < (g + 1) * group; h++) {
        if (full[layer][h]) {
          out[n++] = g;
          break;
        }
      }
    }
    return Arrays.copyOf(out, n);
  }

  /** Number of full cells. */
  public int fullCount() {
    int n = 0;
    for (int l = 0; l < layers(); l++) {
      n += fullHeads(l).length;
    }
    return n;
  }

  /** Whether no head is linear, as in a Transformer. */
  public boolean isAllFull() {
    return fullCount() == layers() * heads();
  }

  /** Share of (layer, KV head) pairs whose cache is kept: 1 for a vanilla Transformer. */
  public double cacheShare(int kvHeads) {
    int kept = 0;
    for (int l = 0; l < layers(); l++) {
      kept += keptKvHeads(l, kvHeads).length;
    }
    return kept / (double) (layers() * kvHeads);
  }

  /** Full heads over all heads. */
  public double headShare() {
    return fullCount() / (double) (layers() * heads());
  }

  /** The list form of {@code plan.json} and {@code config.json}. */
  public List<List<Integer>> toLists() {
    List<List<Integer>> out = new java.util.ArrayList<>();
    for (int l = 0; l < layers(); l++) {
      out.add(Arrays.stream(fullHeads(l)).boxed().toList());
    }
    return List.copyOf(out);
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof HeadPlan p && Arrays.deepEquals(full, p.full);
  }

  @Override
  public int hashCode() {
    return Arrays.deepHashCode(full);
  }

  @Override
  public String toString() {
    return fullCount() + " full of " + layers() * heads() + " heads " + toLists();
  }
}
