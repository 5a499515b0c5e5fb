package io.hydrahead.report;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** The style sheets: colours and charts, and the page around them. */
final class ReportStyle {
  private static final String ALONE =
      """
      svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
      .page { fill: var(--card); stroke: var(--line); }
      .title { fill: var(--ink); font-size: 15px; font-weight: 650; }
      """;

  private ReportStyle() {}

  /** Of the whole page. */
  static String page() {
    return sheet("chart.css") + sheet("report.css");
  }

  /** Of a chart that stands alone. */
  static String chart() {
    return sheet("chart.css") + ALONE;
  }

  private static String sheet(String name) {
    try (InputStream in = ReportStyle.class.getResourceAsStream(name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
