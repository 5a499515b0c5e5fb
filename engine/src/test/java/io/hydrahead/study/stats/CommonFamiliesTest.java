package io.hydrahead.study.stats;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class CommonFamiliesTest {
  private static final List<String> ARMS = List.of("causal", "layer-3-1", "vanilla");
  private static final List<String> TASKS =
      List.of("niah_single_2", "niah_multikey_1", "niah_multikey_3", "mqar");

  private static StudyCells cells(SyntheticStudy.Truth truth) {
    return new StudyCells(
        SyntheticStudy.cells(ARMS, TASKS, List.of(4096, 8192, 32768, 131072), truth));
  }

  @Test
  void familiesThatDropOutFarFromTheNativeLengthAreLeftOut() {
    StudyCells cells =
        cells((arm, task, length) ->
            length > 8192 && task.equals("niah_multikey_3") ? Double.NaN : 0.9);
    assertThat(CommonFamilies.of(cells, ARMS, TASKS, CommonFamilies.MOST))
        .containsExactly("niah_single_2", "niah_multikey_1", "mqar");
  }

  @Test
  void aFewStrayPairsDoNotDecide() {
    StudyCells cells =
        cells((arm, task, length) ->
            length == 131072 && arm.equals("vanilla") && !task.equals("niah_single_2")
                ? Double.NaN
                : 0.9);
    assertThat(CommonFamilies.of(cells, ARMS, TASKS, CommonFamilies.MOST)).isEqualTo(TASKS);
    assertThat(CommonFamilies.of(cells, ARMS, TASKS, 1)).containsExactly("niah_single_2");
  }

  @Test
  void lengthsWithoutAnyFamilyDoNotCount() {
    StudyCells cells = cells((arm, task, length) -> length > 4096 ? Double.NaN : 0.9);
    assertThat(CommonFamilies.of(cells, ARMS, TASKS, CommonFamilies.MOST)).isEqualTo(TASKS);
    assertThat(CommonFamilies.of(cells, List.of("no such arm"), TASKS, 0.5)).isEmpty();
    assertThat(CommonFamilies.of(cells, ARMS, List.of(), 0.5)).isEmpty();
  }

  @Test
  void withoutASharedFamilyThatOfTheMostPairsIsTaken() {
    StudyCells cells =
        cells((arm, task, length) ->
            switch (arm) {
              case "causal" -> task.equals("mqar") ? 0.9 : Double.NaN;
              case "layer-3-1" -> task.equals("mqar") ? 0.9 : Double.NaN;
              default -> task.equals("niah_single_2") ? 0.9 : Double.NaN;
            });
    assertThat(CommonFamilies.of(cells, ARMS, TASKS, CommonFamilies.MOST)).containsExactly("mqar");
  }
}
