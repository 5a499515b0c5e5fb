package io.hydrahead.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class TextWidthTest {
  private static final TextWidth TEN = new TextWidth(10);

  @Test
  void wideLettersTakeMoreRoomThanNarrowOnes() {
    assertThat(TEN.of("")).isZero();
    assertThat(TEN.of("mmmm")).isGreaterThan(2 * TEN.of("illi"));
    assertThat(new TextWidth(20).of("a b")).isEqualTo(2 * TEN.of("a b"));
  }

  @Test
  void linesFitAndHaveEveryWord() {
    String text = "HydraHead 7:1, three times the tokens, more keys, log length scale, seeds 0, 1";
    List<String> lines = TEN.lines(text, 200);
    assertThat(lines).hasSizeGreaterThan(1).allMatch(l -> TEN.of(l) <= 200);
    assertThat(String.join(" ", lines)).isEqualTo(text);
    assertThat(TEN.lines(text, TEN.of(text))).containsExactly(text);
  }

  @Test
  void aWordThatFitsNoLineIsBroken() {
    List<String> lines = TEN.lines("a " + "x".repeat(100), 200);
    assertThat(lines.getFirst()).isEqualTo("a");
    assertThat(lines).hasSizeGreaterThan(3).allMatch(l -> TEN.of(l) <= 200);
    assertThat(String.join("", lines)).isEqualTo("a" + "x".repeat(100));
    assertThat(TEN.lines("𝔸𝔹", 8)).containsExactly("𝔸", "𝔹");
  }
}
