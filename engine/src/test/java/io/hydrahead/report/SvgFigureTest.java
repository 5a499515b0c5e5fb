package io.hydrahead.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class SvgFigureTest {
  private static SvgFigure.Point point(double x, double y) {
    return new SvgFigure.Point(x, y, y - 0.01, y + 0.01, "p");
  }

  private static SvgFigure figure() {
    return SvgFigure.sharesOverLengths("Recall", List.of(4096, 8192, 16384), "tokens");
  }

  @Test
  void aPointAloneHasNoLineAndLiesAboveTheOthers() {
    String svg =
        figure()
            .add(0, "alone", List.of(point(4096, 0.5)))
            .addDashed(2, "other", List.of(point(8192, 0.5)))
            .add(1, "joined", List.of(point(4096, 0.5), point(8192, 0.4)))
            .svg();
    assertThat(svg).doesNotContain("line s0", "line s2").contains("line s1", "mark s2 hollow");
    assertThat(svg.lastIndexOf("mark s0")).isGreaterThan(svg.lastIndexOf("mark s1"));
  }

  @Test
  void everyLookHasItsOwnMarker() {
    Set<String> shapes = new HashSet<>();
    for (int look = 0; look < Look.COUNT; look++) {
      Markup m = new Markup();
      Look.marker(m, look, 0, 0, 4);
      shapes.add(m.toString().replace(Look.css(look), ""));
    }
    assertThat(shapes).hasSize(Look.COUNT);
  }

  @Test
  void aLongNameTakesSeveralLinesOfTheLegend() {
    String name = "HydraHead 7:1, three times the tokens, more keys, log length scale, seeds 0, 1";
    String one = figure().add(0, "short", List.of(point(4096, 0.5))).svg();
    String two = figure().add(0, name, List.of(point(4096, 0.5))).svg();
    assertThat(two.replaceAll("</text>\\s*<text[^>]*>", " ")).contains(name);
    assertThat(two).doesNotContain(name);
    assertThat(height(two)).isEqualTo(height(one) + 16);
  }

  private static double height(String svg) {
    Matcher m = Pattern.compile(" height=\"([\\d.]+)\"").matcher(svg);
    assertThat(m.find()).isTrue();
    return Double.parseDouble(m.group(1));
  }

  @Test
  void theLastTicksLabelKeepsOffTheFrame() {
    String svg =
        SvgFigure.sharesOverBytes("Memory", 2 << 20, 128 << 20, "bytes", 0)
            .add(0, "a", List.of(point(4 << 20, 0.5)))
            .svg();
    Matcher last = Pattern.compile("x=\"([\\d.]+)\"[^>]*>([^<]*MiB)<").matcher(svg);
    double end = 0;
    while (last.find()) {
      end = Double.parseDouble(last.group(1)) + TextWidth.TICK.of(last.group(2)) / 2;
    }
    assertThat(end).isBetween(470.0, LineChart.width() + 0.1);
  }
}
