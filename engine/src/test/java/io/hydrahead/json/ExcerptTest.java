package io.hydrahead.json;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ExcerptTest {
  @Test
  void whatFitsStaysWhole() {
    assertThat(Excerpt.of("")).isEmpty();
    assertThat(Excerpt.of("a".repeat(60))).isEqualTo("a".repeat(60));
    assertThat(Excerpt.of("abc", 3)).isEqualTo("abc");
  }

  @Test
  void ofTheRestTheBeginningIsShown() {
    assertThat(Excerpt.of("a".repeat(61))).isEqualTo("a".repeat(59) + "…");
    assertThat(Excerpt.of("abcd", 3)).isEqualTo("ab…");
    assertThat(Excerpt.of("abcd", 1)).isEqualTo("…");
  }

  @Test
  void noCharacterIsHalved() {
    String cats = "🐈".repeat(4); // two units each
    assertThat(Excerpt.of(cats, 7)).isEqualTo("🐈🐈🐈…");
    assertThat(Excerpt.of(cats, 6)).isEqualTo("🐈🐈…");
    assertThat(Excerpt.of("\ud83d".repeat(4), 3)).as("no pair").isEqualTo("\ud83d\ud83d…");
  }
}
