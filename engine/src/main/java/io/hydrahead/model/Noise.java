package io.hydrahead.model;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;

/** What benchmarks fill caches with: standard normal elements, the same every time. */
final class Noise {
  /** Elements, a prime, so that what repeats them is in step with no layout. */
  private static final int ELEMENTS = 65_521;

  private Noise() {}

  /** To be {@linkplain Tensor#repeat repeated}, in the host's memory. */
  static Tensor of(DType type) {
    SplittableRandom random = new SplittableRandom(ELEMENTS);
    Tensor noise = Tensor.allocate(Arena.ofAuto(), type, ELEMENTS);
    for (int i = 0; i < noise.size(); i++) {
      noise.set(i, (float) random.nextGaussian());
    }
    return noise;
  }
}
