package io.hydrahead.cli;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import tools.jackson.databind.node.ArrayNode;

/** The figures of a bench on a device: a table for people, an array for JSON. */
final class DeviceFigures {
  /** Random elements that are made on the host; a tensor repeats them. */
  private static final int PATTERN = 65_521;

  private final DeviceCeilings ceilings;
  private final ArrayNode array;
  private final List<String> notes = new ArrayList<>();
  private final Table table =
      new Table(
          "what",
          "tokens",
          "ms",
          "µs/token",
          "tokens/s",
          "TFLOP/s",
          "GB/s",
          "MFU",
          "of GEMM",
          "of copy");

  DeviceFigures(DeviceCeilings ceilings, ArrayNode array) {
    this.ceilings = ceilings;
    this.array = array;
  }

  /**
   * Adds a figure.
   *
   * @param tokens that {@code milliseconds} are for; 0 where nothing is counted in tokens
   * @param flops floating-point operations, and {@code bytes} moved, of the whole; 0 if not counted
   * @param more further fields for JSON
   */
  void add(
      String what,
      String label,
      long tokens,
      double milliseconds,
      double flops,
      double bytes,
      Map<String, ?> more) {
    double tflops = flops / milliseconds / 1e9;
    double gbs = bytes / milliseconds / 1e6;
    boolean mfu = flops > 0 && ceilings.peakTflops() > 0;
    table.row(
        what,
        label,
        number("%.3f", milliseconds),
        tokens == 0 ? "" : number("%.2f", 1e3 * milliseconds / tokens),
        tokens == 0 ? "" : number("%,.0f", 1e3 * tokens / milliseconds),
        flops == 0 ? "" : number("%.1f", tflops),
        bytes == 0 ? "" : number("%.0f", gbs),
        mfu ? Table.percent(tflops / ceilings.peakTflops()) : "",
        flops == 0 ? "" : Table.percent(tflops / ceilings.gemmTflops()),
        bytes == 0 ? "" : Table.percent(gbs / ceilings.copyGBs()));
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("what", what);
    json.put("label", label);
    json.put("milliseconds", milliseconds);
    if (tokens > 0) {
      json.put("tokens", tokens);
      json.put("micros_per_token", 1e3 * milliseconds / tokens);
      json.put("tokens_per_second", 1e3 * tokens / milliseconds);
    }
    if (flops > 0) {
      json.put("flops", flops);
      json.put("tflops", tflops);
      json.put("of_gemm", tflops / ceilings.gemmTflops());
    }
    if (mfu) {
      json.put("mfu", tflops / ceilings.peakTflops());
    }
    if (bytes > 0) {
      json.put("bytes", bytes);
      json.put("gbs", gbs);
      json.put("of_copy", gbs / ceilings.copyGBs());
    }
    json.putAll(more);
    array.add(Json.of(json));
  }

  /** Adds a line to be printed after the table. */
  void note(String line) {
    notes.add(line);
  }

  List<String> notes() {
    return notes;
  }

  Table table() {
    return table;
  }

  private static String number(String format, double value) {
    return String.format(Locale.ROOT, format, value);
  }

  /** Standard normal elements, repeated with a period of {@value #PATTERN}. */
  static Tensor random(Workspace w, DType type, long... shape) {
    Tensor block = Tensor.allocate(java.lang.foreign.Arena.ofAuto(), type, PATTERN);
    SplittableRandom random = new SplittableRandom(PATTERN);
    for (int i = 0; i < PATTERN; i++) {
      block.set(i, (float) random.nextGaussian());
    }
    Tensor t = w.allocate(type, shape);
    t.repeat(block);
    return t;
  }
}
