package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ProgressBarTest {
  private final StringWriter err = new StringWriter();

  @AfterEach
  void noInterrupt() {
    Interrupts.request(false);
  }

  private ProgressBar bar(int columns, boolean quiet) {
    PrintWriter none = new PrintWriter(StringWriter.nullWriter());
    return new ProgressBar(new Terminal(none, new PrintWriter(err), columns, false), quiet);
  }

  private static void work(ProgressBar p) {
    p.begin("align", 10, "steps");
    p.advance(5, "loss 1.5");
    p.advance(10, "loss 1.2");
    p.end();
  }

  @Test
  void drawsOneLineOverAndOverOnATerminal() {
    work(bar(100, false));
    assertThat(err.toString())
        .contains("align", "100% 10/10 steps", "loss 1.2")
        .doesNotContain("\n")
        .endsWith("\r");
  }

  @Test
  void neverWritesPastTheTerminalsWidth() {
    ProgressBar p = bar(30, false);
    work(p);
    for (String line : err.toString().split("\r")) {
      assertThat(line.length()).isLessThan(30);
    }
  }

  @Test
  void aNarrowTerminalLosesTheCountsBeforeTheLoss() throws InterruptedException {
    ProgressBar p = bar(80, false);
    p.begin("transfer demo-transfer", 1_505_280, "tokens");
    p.advance(2048, "align 1/196, loss 0.9");
    Thread.sleep(600); // then there is a rate
    p.advance(301_056, "align 147/196, loss 0.074 / 0.075");
    assertThat(err.toString())
        .contains("20%", "tokens/s", " left, align 147/196, loss 0.074 / 0.075")
        .doesNotContain("1,505,280 tokens,");
  }

  @Test
  void drawsNothingWithoutATerminalOrWhenQuiet() {
    work(bar(0, false));
    work(bar(100, true));
    assertThat(err.toString()).isEmpty();
  }

  @Test
  void handsOnTheWishToStop() {
    ProgressBar p = bar(0, false);
    assertThat(p.cancelled()).isFalse();
    Interrupts.request(true);
    assertThat(p.cancelled()).isTrue();
  }

  @Test
  void writesDurationsAsClocks() {
    assertThat(ProgressBar.duration(7.4)).isEqualTo("0:07");
    assertThat(ProgressBar.duration(750)).isEqualTo("12:30");
    assertThat(ProgressBar.duration(11_100)).isEqualTo("3:05:00");
  }
}
