package io.hydrahead.data;

import io.hydrahead.json.Fields;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Several sources of plain text, each chosen for its share of the excerpts. */
public final class TextMix implements PlainText {
  private final List<PlainText> sources;
  private final double[] shares;

  /** Sources with their shares, which need not add up to 1. */
  public TextMix(List<PlainText> sources, double[] shares) {
    this.sources = List.copyOf(sources);
    this.shares = shares.clone();
  }

  /**
   * Opens the sources of a recipe's {@code text} list. An entry has one of {@code files} (a glob,
   * relative to the recipe's folder), {@code jsonl} (with {@code field}, default "text"), {@code
   * jdk_sources} (true; with {@code required} and the fields of {@link JdkSources}) or {@code
   * generated} (true), and a {@code share}, default 1.
   */
  static TextMix open(List<Fields> entries) {
    List<PlainText> sources = new ArrayList<>();
    List<Double> shares = new ArrayList<>();
    for (Fields f : entries) {
      double share = f.number("share", 0, 1e6, 1);
      PlainText source = open(f);
      f.end();
      if (share > 0) {
        sources.add(source);
        shares.add(share);
      }
    }
    if (sources.isEmpty()) {
      sources.add(PlainText.generated());
      shares.add(1.0);
    }
    return new TextMix(sources, shares.stream().mapToDouble(x -> x).toArray());
  }

  private static PlainText open(Fields f) {
    if (f.has("files")) {
      String pattern = f.text("files");
      Path whole = f.file("files");
      int wild = firstWildcard(pattern);
      if (wild < 0) {
        return TextCorpus.file(whole);
      }
      String fixed = pattern.substring(0, pattern.lastIndexOf('/', wild) + 1);
      int up = fixed.isEmpty() ? 0 : Path.of(fixed).getNameCount();
      Path folder = whole;
      for (int i = Path.of(pattern).getNameCount(); i > up; i--) {
        folder = folder.getParent();
      }
      return TextCorpus.files(folder, pattern.substring(fixed.length()));
    }
    if (f.has("jsonl")) {
      return TextCorpus.jsonLines(f.file("jsonl"), f.text("field", "text"));
    }
    if (f.flag("jdk_sources", false)) {
      JdkSources selection = JdkSources.read(f);
      boolean required = f.flag("required", true);
      Path zip = JdkSources.archive();
      if (!required && !java.nio.file.Files.isRegularFile(zip)) {
        return new Noticed(
            PlainText.generated(), zip + ": this JDK has no sources; generated text instead");
      }
      return selection.open(zip);
    }
    if (f.flag("generated", false)) {
      return PlainText.generated();
    }
    throw f.error(
        "files",
        "or \"jsonl\", \"jdk_sources\": true, \"generated\": true: a source needs one of them");
  }

  private static int firstWildcard(String pattern) {
    for (int i = 0; i < pattern.length(); i++) {
      if ("*?[{".indexOf(pattern.charAt(i)) >= 0) {
        return i;
      }
    }
    return -1;
  }

  private record Noticed(PlainText text, String notice) implements PlainText {
    @Override
    public String excerpt(Split split, int chars, Dice dice) {
      return text.excerpt(split, chars, dice);
    }

    @Override
    public String fingerprint() {
      return text.fingerprint();
    }

    @Override
    public long chars(Split split) {
      return text.chars(split);
    }

    @Override
    public List<String> notices() {
      return List.of(notice);
    }
  }

  @Override
  public String excerpt(Split split, int chars, Dice dice) {
    Dice own = new Dice(dice.next());
    return sources.get(own.weighted(shares)).excerpt(split, chars, own);
  }

  @Override
  public String fingerprint() {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < shares.length; i++) {
      out.append(sources.get(i).fingerprint()).append('*').append(shares[i]).append(';');
    }
    return out.toString();
  }

  @Override
  public long chars(Split split) {
    long sum = 0;
    for (PlainText s : sources) {
      long c = s.chars(split);
      sum = c > Long.MAX_VALUE - sum ? Long.MAX_VALUE : sum + c;
    }
    return sum;
  }

  @Override
  public List<String> notices() {
    return sources.stream().flatMap(s -> s.notices().stream()).toList();
  }
}
