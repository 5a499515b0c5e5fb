package io.hydrahead.cli;

import io.hydrahead.ops.gemm.Ceilings;
import io.hydrahead.study.run.Size;
import io.hydrahead.study.run.StudyRun;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.InputException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.stream.Stream;

/**
 * Says how much a study has to do before it does anything. A recipe's rates are mostly a GPU's: on
 * the processor the time follows from the operations, and a long one has to be asked for.
 */
final class StudyForecast {
  /** What runs on the processor without being asked for. */
  private static final double SHORT_SECONDS = 3600;

  /**
   * Of the rate of multiply-adds, what the work comes to, counted as a Transformer's: on two cores
   * teacher-24m reads 4K tokens at 32 to 35% and trains on them at 35%, hybrids at 35 to 46% and
   * 51%, all beside other work ({@code bench prefill}, {@code bench train}, {@code study}).
   */
  private static final double SHARE = 0.3;

  private static final int ROUNDS = 20;

  private StudyForecast() {}

  /**
   * @throws InputException if it would run for long on the processor, and {@code --device} does not
   *     say so
   */
  static void say(List<StudyRun.Planned> units, CommonOptions common) {
    if (missing(units).operations() == 0) {
      return;
    }
    common.notice("hydrahead: " + toDo(units, common.device().count()));
    OptionalDouble seconds = onProcessor(units, common);
    if (seconds.isPresent()) {
      requireAsked(seconds.getAsDouble(), common.device().named());
      common.notice("hydrahead: " + processor(seconds.getAsDouble()));
    }
  }

  /** The same in lines for a listing, which refuses nothing. */
  static List<String> lines(List<StudyRun.Planned> units, CommonOptions common) {
    if (missing(units).operations() == 0) {
      boolean small = units.stream().anyMatch(u -> !u.done());
      return List.of(small ? "to do: what takes next to no time" : "nothing to do");
    }
    List<String> out = new ArrayList<>();
    OptionalDouble seconds = onProcessor(units, common); // first: it may say which device it is
    out.add(toDo(units, common.device().count()));
    if (seconds.isPresent()) {
      boolean asked = common.device().named() || seconds.getAsDouble() <= SHORT_SECONDS;
      out.add(
          processor(seconds.getAsDouble())
              + (asked ? "" : "; such a run has to be asked for with --device cpu"));
    }
    return out;
  }

  /**
   * @param devices how many
   */
  static String toDo(List<StudyRun.Planned> units, int devices) {
    Size all = missing(units);
    return "to do: train "
        + (all.trained() == 0 ? "nothing" : "on " + tokens(all.trained()) + " tokens")
        + ", evaluate "
        + (all.evaluated() == 0 ? "nothing" : tokens(all.evaluated()))
        + "; by the recipe's rates "
        + onDevices(units, devices);
  }

  private static String processor(double seconds) {
    return "on this processor that takes about " + time(seconds);
  }

  /** Seconds on the processor, if that is what computes. */
  private static OptionalDouble onProcessor(List<StudyRun.Planned> units, CommonOptions common) {
    if (common.device().takesGpu(common)) {
      return OptionalDouble.empty();
    }
    try (ComputePool pool = new ComputePool(common.threads())) {
      return OptionalDouble.of(onProcessor(missing(units), Ceilings.fmaGflops(pool, ROUNDS)));
    }
  }

  /**
   * Seconds for {@code all}.
   *
   * @param gflops float32 GFLOP/s of fused multiply-adds
   */
  static double onProcessor(Size all, double gflops) {
    return all.operations() / (SHARE * gflops * 1e9);
  }

  /** All of what is not done yet. */
  static Size missing(List<StudyRun.Planned> units) {
    return sizes(units).reduce(Size.NONE, Size::plus);
  }

  private static Stream<Size> sizes(List<StudyRun.Planned> units) {
    return units.stream().filter(u -> !u.done()).map(StudyRun.Planned::size);
  }

  /**
   * The time of one device, and the least that several take: a unit is made on one of them.
   *
   * @param devices how many
   */
  static String onDevices(List<StudyRun.Planned> units, int devices) {
    double all = missing(units).seconds();
    String one = time(all) + " of one device";
    if (devices == 1) {
      return one;
    }
    double longest = sizes(units).mapToDouble(Size::seconds).max().orElse(0);
    return one + ", at best " + time(Math.max(longest, all / devices)) + " on " + devices;
  }

  /**
   * @param seconds on the processor
   * @param named whether {@code --device} names it
   */
  static void requireAsked(double seconds, boolean named) {
    if (!named && seconds > SHORT_SECONDS) {
      throw new InputException(
          "the study would run on the processor, which takes about "
              + time(seconds)
              + " for it; name a GPU with --device cuda (hydrahead doctor says what one lacks), make"
              + " a part with --arm, --seed or --stage (--plan-only lists all), or pass --device cpu"
              + " if that time is meant");
    }
  }

  private static String tokens(long n) {
    if (n < 1_000_000) {
      return String.format(Locale.ROOT, "%,d", n);
    }
    return String.format(Locale.ROOT, n < 10_000_000 ? "%.1fM" : "%,.0fM", n / 1e6);
  }

  /** {@code 40 s}, {@code 25 min}, {@code 7 hours} or {@code 12 days}. */
  static String time(double seconds) {
    String[] units = {"s", "min", "hours", "days"};
    double[] lengths = {1, 60, 3600, 24 * 3600};
    int i = lengths.length - 1;
    while (i > 0 && seconds < 2 * lengths[i]) {
      i--;
    }
    return Math.max(1, Math.round(seconds / lengths[i])) + " " + units[i];
  }
}
