package io.hydrahead.ops;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaModule;
import io.hydrahead.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * The kernels of one source in the variants that a room asks for: compiled on first use, found
 * again without allocating.
 *
 * @param <K> a room's launch sites
 */
public final class CudaVariants<K> {
  private final CudaDevice device;
  private final Class<?> room;
  private final String file;
  private final String sizeMacro;
  private final Function<CudaModule, K> sites;
  private final List<Variant<K>> known = new ArrayList<>();

  private record Variant<K>(int size, DType type, DType parameters, boolean aligned, K sites) {}

  /**
   * @param room beside which the resource {@code file} lies
   * @param sizeMacro what the source calls its size, for example {@code WIDTH}; null for none
   * @param sites makes the launch sites of a variant
   */
  public CudaVariants(
      CudaDevice device,
      Class<?> room,
      String file,
      String sizeMacro,
      Function<CudaModule, K> sites) {
    this.device = device;
    this.room = room;
    this.file = file;
    this.sizeMacro = sizeMacro;
    this.sites = sites;
  }

  /** The variant for activations of {@code type} and float32 parameters. */
  public K get(int size, DType type, boolean aligned) {
    return get(size, type, DType.F32, aligned);
  }

  /**
   * @param type of the activations, F32 or BF16
   * @param parameters type of the weights, F32 or BF16
   * @param aligned whether rows may be read in vectors of 16 bytes
   */
  public K get(int size, DType type, DType parameters, boolean aligned) {
    for (int i = 0; i < known.size(); i++) {
      Variant<K> v = known.get(i);
      if (v.size == size && v.type == type && v.parameters == parameters && v.aligned == aligned) {
        return v.sites;
      }
    }
    List<String> defines = new ArrayList<>();
    if (sizeMacro != null) {
      defines.add("-D" + sizeMacro + "=" + size);
    }
    defines.add("-DBF16=" + bit(type));
    defines.add("-DPARAM_BF16=" + bit(parameters));
    defines.add("-DALIGNED=" + (aligned ? 1 : 0));
    K made = sites.apply(device.module(room, file, defines.toArray(String[]::new)));
    known.add(new Variant<>(size, type, parameters, aligned, made));
    return made;
  }

  private static int bit(DType type) {
    return switch (type) {
      case F32 -> 0;
      case BF16 -> 1;
      default ->
          throw new IllegalArgumentException(
              "kernels of a GPU take tensors of F32 or BF16, not " + type);
    };
  }
}
