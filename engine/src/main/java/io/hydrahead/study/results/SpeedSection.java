package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
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
                "reads",
                "decode, ms a token",
                "KV cache, MiB",
                "recurrent state, MiB"),
            1);
    String device = "";
    Set<Integer> seeds = new TreeSet<>();
    List<String> others = new ArrayList<>();
    for (String arm : arms()) {
      JsonNode speed = folder.speed(arm).orElseThrow();
      device = device(speed);
      if (speed.path("seed").isInt()) {
        seeds.add(speed.path("seed").intValue());
      }
      if (other(arm, speed)) {
        others.add(folder.label(arm));
      }
      for (JsonNode at : speed.path("lengths")) {
        table.row(
            List.of(
                folder.label(arm),
                Lengths.format(at.path("length").asInt()),
                Numbers.format("%.2f", at.path("prefill_us_per_token").asDouble(Double.NaN)),
                at.path("prefill_runs").asString(Numbers.NONE),
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
        + ". Prefill, reading the text: median of so many reads, microseconds a token; decode, writing behind it: mean of 64 tokens, milliseconds a token."
        + models(seeds, others)
        + "\n\n"
        + table;
  }

  /** Whether it was measured on another checkpoint than the page's of that arm and seed. */
  private boolean other(String arm, JsonNode speed) {
    String timed = speed.path("checkpoint_hash").asString("");
    return folder.arms().stream()
        .filter(a -> a.arm().equals(arm) && a.seed() == speed.path("seed").asInt(-1))
        .map(a -> a.text("checkpoint_hash"))
        .anyMatch(own -> !own.isEmpty() && !timed.isEmpty() && !own.equals(timed));
  }

  /** Whose models were timed, and whether they are this page's. */
  private String models(Set<Integer> seeds, List<String> others) {
    String of = seeds.isEmpty() ? "" : " Measured on models of " + Numbers.seedWords(seeds) + ".";
    boolean notes = !folder.study().path(StudyReport.NOTES).isEmpty();
    return others.isEmpty()
        ? of
        : of
            + " By their checkpoints' hashes these are not this page's models but others of the same arms, whose heads need not be the same: "
            + String.join("; ", others)
            + (notes ? "; see the notes." : ".");
  }

  /** The device, and the type of the numbers where its own text lacks it. */
  private static String device(JsonNode speed) {
    String device = StudyReport.withoutNumber(speed.path("device").asString(""));
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
