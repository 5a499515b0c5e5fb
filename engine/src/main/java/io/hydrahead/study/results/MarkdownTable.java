package io.hydrahead.study.results;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;

/** A table of a Markdown text: the first columns are words, the others numbers. */
final class MarkdownTable {
  private final List<String> head;
  private final int words;
  private final List<List<String>> rows = new ArrayList<>();
  private String group = "";
  private List<String> lead = List.of();

  /**
   * @param words columns on the left side
   */
  MarkdownTable(List<String> head, int words) {
    this.head = List.copyOf(head);
    this.words = words;
  }

  MarkdownTable row(List<String> cells) {
    if (cells.size() != head.size()) {
      throw new IllegalArgumentException(cells.size() + " cells for " + head);
    }
    if (!group.isEmpty()) {
      List<String> line = new ArrayList<>(Collections.nCopies(head.size(), ""));
      line.set(0, "**" + group + "**");
      rows.add(line);
      group = "";
    }
    if (!lead.isEmpty()) {
      rows.add(lead);
      lead = List.of();
    }
    rows.add(List.copyOf(cells));
    return this;
  }

  /** A row to compare the next ones with; shown once such a row comes. */
  MarkdownTable lead(List<String> cells) {
    lead = List.copyOf(cells);
    return this;
  }

  /** A line across that names the rows behind it; shown once such a row comes. */
  MarkdownTable group(String title) {
    group = title;
    lead = List.of();
    return this;
  }

  boolean isEmpty() {
    return rows.isEmpty();
  }

  /** Without the columns that say nothing but {@code none}. */
  MarkdownTable withoutEmpty(String none) {
    List<Integer> kept = new ArrayList<>();
    for (int i = 0; i < head.size(); i++) {
      int column = i;
      if (i < words || rows.stream().anyMatch(r -> !Set.of(none, "").contains(r.get(column)))) {
        kept.add(i);
      }
    }
    MarkdownTable out = new MarkdownTable(kept.stream().map(head::get).toList(), words);
    rows.forEach(r -> out.rows.add(kept.stream().map(r::get).toList()));
    return out;
  }

  @Override
  public String toString() {
    StringBuilder out = new StringBuilder();
    line(out, head);
    for (int i = 0; i < head.size(); i++) {
      out.append(i < words ? "|---" : "|---:");
    }
    out.append("|\n");
    rows.forEach(r -> line(out, r));
    return out.append('\n').toString();
  }

  private static void line(StringBuilder out, List<String> cells) {
    for (String c : cells) {
      out.append("| ").append(c.replace("|", "\\|").replace("\n", " ")).append(' ');
    }
    out.append("|\n");
  }
}
