package io.hydrahead.study.results;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.report.SvgFigure;
import java.util.List;
import org.junit.jupiter.api.Test;

class LegendTest {
  private static final String LONG =
      "HydraHead 7:1, three times the tokens, more keys, log length scale, seeds 0, 1";

  @Test
  void whatDoesNotFitALineEndsAtACommaAndIsInFullBelowTheChart() {
    Legend legend = new Legend();
    assertThat(legend.name("layer-wise 3:1, seeds 0, 1")).isEqualTo("layer-wise 3:1, seeds 0, 1");
    assertThat(legend.name(LONG))
        .isEqualTo("HydraHead 7:1, three times the tokens, more keys, log length scale …");
    assertThat(legend.name("x".repeat(100))).hasSize(Legend.LETTERS).endsWith(" …");
    SvgFigure figure = SvgFigure.sharesOverLengths("t", List.of(1024, 2048), "x");
    legend.note(figure);
    assertThat(figure.svg().replaceAll("<[^>]*>", " "))
        .contains("In full: HydraHead 7:1, three times the tokens", "seeds 0, 1.")
        .doesNotContain("layer-wise");
  }
}
