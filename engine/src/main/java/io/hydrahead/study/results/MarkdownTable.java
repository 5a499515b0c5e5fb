package io.hydrahead.study.results;

import java.util.ArrayList;
import java.util.List;

/** A table of a Markdown text: the first columns are words, the others numbers. */
final class MarkdownTable {
  private final List<String> head;
  private final int words;
  private final List<List<String>> rows = new ArrayList<>();

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
    rows.add(List.copyOf(cells));
    return this;
  }

  boolean isEmpty() {
    return rows.isEmpty();
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
