package io.hydrahead.report;

import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleFunction;

/**
 * Values to places along one side of a chart.
 *
 * @param low value at the start
 * @param high value at the end
 * @param log whether equal factors take equal room
 * @param ticks values that get a label
 */
record Axis(
    String title,
    double low,
    double high,
    boolean log,
    List<Double> ticks,
    DoubleFunction<String> label) {

  /** Share of the way from low to high. */
  double at(double v) {
    double t = log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low);
    return Math.clamp(t, -0.02, 1.02);
  }

  /** 0 to 100%, of shares. */
  static Axis percent(String title) {
    return new Axis(
        title, 0, 1, false, List.of(0., .25, .5, .75, 1.), v -> Math.round(100 * v) + "%");
  }

  /** From a round share below {@code low} to 100%. */
  static Axis percentFrom(double low) {
    return nice(Math.min(low, 0.98), 1, 5, "", v -> Show.factor(100 * v) + "%");
  }

  /** Lengths, a label at each of them, or at every second where there are many. */
  static Axis lengths(List<Integer> lengths, String title) {
    List<Double> ticks = new ArrayList<>();
    int step = lengths.size() > 9 ? 2 : 1;
    for (int i = 0; i < lengths.size(); i += step) {
      ticks.add((double) lengths.get(i));
    }
    double first = lengths.getFirst();
    double last = lengths.getLast();
    double margin = Math.max(1.15, Math.pow(last / first, 0.06));
    return new Axis(
        title, first / margin, last * margin, true, ticks, v -> Show.length(Math.round(v)));
  }

  /** Numbers above 0, a label at each of them. */
  static Axis numbers(List<Integer> numbers, String title) {
    List<Double> ticks = numbers.stream().map(Integer::doubleValue).toList();
    return new Axis(
        title,
        ticks.getFirst() / 1.2,
        ticks.getLast() * 1.2,
        true,
        ticks,
        v -> Long.toString(Math.round(v)));
  }

  /** Bytes, a label at powers of 4, 16, … so that there are about five. */
  static Axis bytes(double low, double high, String title) {
    int from = (int) Math.floor(Math.log(low) / Math.log(2));
    int to = (int) Math.ceil(Math.log(high) / Math.log(2));
    int step = Math.max(1, Math.ceilDiv(to - from, 5));
    List<Double> ticks = new ArrayList<>();
    for (int e = from; e <= to; e += step) {
      ticks.add(Math.pow(2, e));
    }
    return new Axis(title, Math.pow(2, from), Math.pow(2, to), true, ticks, Axis::plainBytes);
  }

  private static String plainBytes(double v) {
    return Show.bytes(v).replaceFirst("\\.0+ ", " ");
  }

  /**
   * Evenly spaced round numbers from below {@code low} to above {@code high}, about {@code count}.
   */
  static Axis nice(double low, double high, int count, String title, DoubleFunction<String> label) {
    double span = high > low ? high - low : Math.max(Math.abs(high), 1) * 0.1;
    double rough = span / count;
    double power = Math.pow(10, Math.floor(Math.log10(rough)));
    double step = power;
    for (double m : new double[] {1, 2, 2.5, 5, 10}) {
      step = m * power;
      if (step >= rough) {
        break;
      }
    }
    double from = Math.floor(low / step) * step;
    double to = Math.ceil((low + span) / step) * step;
    List<Double> ticks = new ArrayList<>();
    for (int i = 0; from + i * step <= to + step / 1e6; i++) {
      ticks.add(from + i * step);
    }
    return new Axis(title, from, to, false, ticks, label);
  }

  /** 1, 2, 5, 10 … between {@code low} and {@code high} with equal factors in equal room. */
  static Axis logarithmic(double low, double high, String title, DoubleFunction<String> label) {
    List<Double> ticks = new ArrayList<>();
    double[] steps = high / low > 300 ? new double[] {1} : new double[] {1, 2, 5};
    for (double p = Math.pow(10, Math.floor(Math.log10(low))); p <= high; p *= 10) {
      for (double m : steps) {
        if (m * p >= low * 0.999 && m * p <= high * 1.001) {
          ticks.add(m * p);
        }
      }
    }
    return new Axis(title, low, high, true, ticks, label);
  }
}
