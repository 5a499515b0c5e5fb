package io.hydrahead.study.results;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class NumbersTest {
  private static final List<Integer> ALL = List.of(4096, 8192, 16384, 32768);

  @Test
  void lengthsAreARangeOnlyWhereNoneOfTheStudysIsMissingInBetween() {
    assertThat(Numbers.span(List.of(4096), ALL)).isEqualTo("4K");
    assertThat(Numbers.span(List.of(4096, 8192, 16384), ALL)).isEqualTo("4K–16K");
    assertThat(Numbers.span(List.of(32768, 4096, 16384), ALL)).isEqualTo("4K, 16K, 32K");
    assertThat(Numbers.span(List.of(4096, 16384), List.of(4096, 16384))).isEqualTo("4K–16K");
  }

  @Test
  void wordsAreJoinedAsInASentence() {
    assertThat(Numbers.words(List.of())).isEmpty();
    assertThat(Numbers.words(List.of("a"))).isEqualTo("a");
    assertThat(Numbers.words(List.of("a", "b"))).isEqualTo("a and b");
    assertThat(Numbers.words(List.of("a", "b", "c"))).isEqualTo("a, b and c");
  }
}
