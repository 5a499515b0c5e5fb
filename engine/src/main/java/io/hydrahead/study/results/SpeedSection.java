package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.JsonNode;

/** Time and memory of the arms that were timed. */
final class SpeedSection {
  private final ResultsFolder folder;

  SpeedSection(ResultsFolder folder) {
    this.folder = folder;
  }

  String text() {
    MarkdownTable table =
        new MarkdownTable(
            List.of(
                "arm",
                "length",
                "prefill, µs a token",
                "decode, ms a token",
                "KV cache, MiB",
                "recurrent state, MiB"),
            1);
    String device = "";
    for (String arm : arms()) {
      JsonNode speed = folder.speed(arm).orElseThrow();
      device = device(speed);
      for (JsonNode at : speed.path("lengths")) {
        table.row(
            List.of(
                folder.label(arm),
                Lengths.format(at.path("length").asInt()),
                Numbers.format("%.2f", at.path("prefill_us_per_token").asDouble(Double.NaN)),
                Numbers.format("%.2f", at.path("decode_ms").asDouble(Double.NaN)),
                Numbers.mebibytes(at.path("kv_bytes").asDouble(Double.NaN)),
                Numbers.mebibytes(at.path("state_bytes").asDouble(Double.NaN))));
      }
    }
    if (table.isEmpty()) {
      return "";
    }
    return "## Speed and memory\n\nOne sequence on "
        + device
        + ". Prefill, reading the text: median of repeated reads, microseconds a token; decode, writing behind it: mean of 64 tokens, milliseconds a token.\n\n"
        + table;
  }

  /** The device, and the type of the numbers where its own text lacks it. */
  private static String device(JsonNode speed) {
    String device = speed.path("device").asString("").replaceFirst("^cuda:\\d+: ", "");
    String type = speed.path("type").asString("");
    boolean said = device.toLowerCase(Locale.ROOT).contains(type.toLowerCase(Locale.ROOT));
    return said ? device : device + ", " + type;
  }

  /** Core arms first, then the others. */
  private List<String> arms() {
    List<String> core = folder.roles().core();
    return java.util.stream.Stream.concat(core.stream(), folder.timed().stream())
        .distinct()
        .filter(a -> folder.speed(a).isPresent())
        .toList();
  }
}
