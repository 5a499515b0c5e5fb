package io.hydrahead.train;

import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ParameterShapes;
import io.hydrahead.model.ParameterStore;
import io.hydrahead.model.Style;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;
import java.util.zip.CRC32C;

/**
 * Fresh parameters of a vanilla model: matrices from N(0, 0.02²), those that write into the
 * residual stream (o_proj, down_proj) from N(0, 0.02²/2L) as in GPT-2, norms 1. Each parameter
 * draws from its own generator, a function of seed and name.
 */
public final class Initializer {
  private static final double STD = 0.02;

  private Initializer() {}

  /** Parameters in float32; the caller owns them. */
  public static ParameterStore vanilla(ModelConfig config, long seed) {
    HeadPlan plan = HeadPlan.allFull(config.layers(), config.heads());
    ParameterStore store =
        ParameterStore.zeros(ParameterShapes.of(config, plan, Style.VANILLA), DType.F32);
    double residual = STD / Math.sqrt(2.0 * config.layers());
    for (String name : store.names()) {
      Tensor t = store.get(name);
      if (t.rank() == 1) {
        t.fill(1f);
      } else {
        boolean writes = name.endsWith("o_proj.weight") || name.endsWith("down_proj.weight");
        gaussian(t, writes ? residual : STD, seed, name);
      }
    }
    return store;
  }

  /** Fills {@code t} from N(0, std²), by Box and Muller's transform. */
  static void gaussian(Tensor t, double std, long seed, String name) {
    CRC32C crc = new CRC32C();
    crc.update(name.getBytes(StandardCharsets.UTF_8));
    SplittableRandom random =
        new SplittableRandom(DataOrder.mix(seed + DataOrder.mix(crc.getValue() + 1)));
    for (long i = 0; i < t.size(); i += 2) {
      double radius = std * StrictMath.sqrt(-2 * StrictMath.log(1 - random.nextDouble()));
      double angle = 2 * Math.PI * random.nextDouble();
      t.set(i, (float) (radius * StrictMath.cos(angle)));
      if (i + 1 < t.size()) {
        t.set(i + 1, (float) (radius * StrictMath.sin(angle)));
      }
    }
  }
}
