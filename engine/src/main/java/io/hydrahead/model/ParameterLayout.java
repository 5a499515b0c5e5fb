package io.hydrahead.model;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Where all parameters of a model lie in two flat allocations, one of matrices and one of vectors
 * (and of convolutions, which are as small). Matrices that are multiplied with the same input lie
 * next to each other, so that one product serves them all.
 */
final class ParameterLayout {
  /** Elements to whose multiples a parameter, or the first of a pack, is aligned. */
  private static final long ALIGNMENT = 128;

  /**
   * @param matrix in which of the two allocations
   * @param offset of its first element there
   */
  record Place(boolean matrix, long offset, long[] shape) {
    long size() {
      long n = 1;
      for (long s : shape) {
        n *= s;
      }
      return n;
    }

    private long end() {
      return offset + size();
    }

    /** Weight decay is for matrices only; a convolution counts as one. */
    private boolean decays() {
      return shape.length > 1;
    }
  }

  /** Adjacent parameters that an optimiser treats alike. */
  record Run(boolean matrix, long offset, long size, boolean decays) {}

  private final Map<String, Place> places = new LinkedHashMap<>();
  private final List<String> checkpointOrder;
  private long matrices;
  private long vectors;

  private ParameterLayout(Map<String, long[]> shapes) {
    checkpointOrder = List.copyOf(shapes.keySet());
    for (String name : shapes.keySet()) {
      if (places.containsKey(name)) {
        continue;
      }
      boolean matrix = isMatrix(name, shapes.get(name));
      align(matrix);
      for (String member : matrix ? pack(name, shapes) : List.of(name)) {
        place(member, matrix, shapes.get(member));
      }
    }
    align(true);
    align(false);
  }

  /** The layout of a model's parameters. */
  static ParameterLayout of(ModelConfig config, HeadPlan plan, Style style) {
    return new ParameterLayout(ParameterShapes.of(config, plan, style));
  }

  /** Whether a parameter is the weight of a product. */
  static boolean isMatrix(String name, long[] shape) {
    return shape.length == 2 && !name.endsWith("_conv.weight");
  }

  private static List<String> pack(String name, Map<String, long[]> shapes) {
    for (int l = 0; name.startsWith(ParameterShapes.layersPrefix()); l++) {
      if (name.startsWith(ParameterShapes.layer(l))) {
        List<String> attention = ParameterShapes.attentionInputs(l, shapes::containsKey);
        List<String> mlp = ParameterShapes.mlpInputs(l);
        return attention.contains(name) ? attention : mlp.contains(name) ? mlp : List.of(name);
      }
    }
    return List.of(name);
  }

  private void align(boolean matrix) {
    if (matrix) {
      matrices = Math.ceilDiv(matrices, ALIGNMENT) * ALIGNMENT;
    } else {
      vectors = Math.ceilDiv(vectors, ALIGNMENT) * ALIGNMENT;
    }
  }

  private void place(String name, boolean matrix, long[] shape) {
    Place p = new Place(matrix, matrix ? matrices : vectors, shape);
    places.put(name, p);
    if (matrix) {
      matrices = p.end();
    } else {
      vectors = p.end();
    }
  }

  /** Elements of all matrices, with the gaps between them. */
  long matrices() {
    return matrices;
  }

  /** Elements of all vectors, with the gaps between them. */
  long vectors() {
    return vectors;
  }

  Place place(String name) {
    return places.get(name);
  }

  /** Names in checkpoint order. */
  List<String> names() {
    return checkpointOrder;
  }

  /** Place of {@code names} as one matrix with the rows of all. */
  Place pack(List<String> names) {
    Place first = places.get(names.getFirst());
    long rows = 0;
    long end = first.offset();
    for (String name : names) {
      Place p = places.get(name);
      if (p.offset() != end || p.shape()[1] != first.shape()[1]) {
        throw new IllegalArgumentException(name + " does not lie behind what it is packed with");
      }
      rows += p.shape()[0];
      end = p.end();
    }
    return new Place(true, first.offset(), new long[] {rows, first.shape()[1]});
  }

  /** The chosen parameters as few runs; gaps between parameters belong to the run around them. */
  List<Run> runs(Predicate<String> chosen) {
    List<Run> out = new ArrayList<>();
    for (boolean matrix : new boolean[] {true, false}) {
      Run run = null;
      for (Map.Entry<String, Place> e : places.entrySet()) {
        Place p = e.getValue();
        if (p.matrix() != matrix) {
          continue;
        }
        boolean wanted = chosen.test(e.getKey());
        if (run != null && (!wanted || p.decays() != run.decays())) {
          out.add(run);
          run = null;
        }
        if (wanted) {
          long from = run == null ? p.offset() : run.offset();
          run = new Run(matrix, from, p.end() - from, p.decays());
        }
      }
      if (run != null) {
        out.add(run);
      }
    }
    return out;
  }
}
