package io.hydrahead.study.stats;

import io.hydrahead.json.Fields;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Which arms the statements speak of.
 *
 * @param causal head-wise 7:1 chosen by the probe
 * @param layer31 layer-wise 3:1
 * @param layer51 layer-wise 5:1, a neighbour of 7:1
 * @param layer111 layer-wise 11:1, the other one
 * @param random head-wise 7:1 at random with equal cache: draws
 * @param vanilla the teacher as it is
 * @param yarn the teacher with YaRN
 * @param allFull all heads full through the same conversion and training
 * @param headline the arm of the headline table
 * @param core arms of the headline table and of the charts, in their order
 * @param more arms that C follows besides those it speaks of
 * @param curves arms with more and more full heads, by the name of their line
 */
public record Roles(
    String causal,
    String layer31,
    String layer51,
    String layer111,
    List<String> random,
    String vanilla,
    String yarn,
    String allFull,
    String headline,
    List<String> core,
    List<String> more,
    Map<String, List<String>> curves) {

  /**
   * Reads and checks a recipe's {@code roles}.
   *
   * @throws io.hydrahead.tensor.InputException naming the field that is wrong
   */
  public static Roles read(Fields f) {
    String causal = f.text("causal");
    Map<String, List<String>> curves = new LinkedHashMap<>();
    Fields lines = f.objectOrEmpty("curves");
    for (String name : lines.node().propertyNames()) {
      curves.put(name, lines.texts(name));
    }
    lines.end();
    Roles roles =
        new Roles(
            causal,
            f.text("layer_3_1"),
            f.text("layer_5_1"),
            f.text("layer_11_1"),
            List.copyOf(f.texts("random")),
            f.text("vanilla"),
            f.text("yarn"),
            f.text("all_full"),
            f.text("headline", causal),
            f.has("core") ? f.texts("core") : List.of(),
            f.has("followed") ? f.texts("followed") : List.of(),
            curves);
    f.end();
    return roles.core.isEmpty() ? roles.withCore() : roles;
  }

  private Roles withCore() {
    Set<String> all = new LinkedHashSet<>(followed());
    all.add(layer51);
    all.add(layer111);
    all.add(random.getFirst());
    return new Roles(
        causal,
        layer31,
        layer51,
        layer111,
        random,
        vanilla,
        yarn,
        allFull,
        headline,
        List.copyOf(all),
        more,
        curves);
  }

  /** The arms that statements A and B compare. */
  public List<String> compared() {
    List<String> out = new ArrayList<>(List.of(causal, layer31, layer51, layer111));
    out.addAll(random);
    return out;
  }

  /** The arms whose recall beyond the native length statement C follows. */
  public List<String> followed() {
    Set<String> out = new LinkedHashSet<>();
    out.add(headline);
    out.add(causal);
    out.addAll(List.of(vanilla, yarn, allFull, layer31));
    out.addAll(more);
    return List.copyOf(out);
  }
}
