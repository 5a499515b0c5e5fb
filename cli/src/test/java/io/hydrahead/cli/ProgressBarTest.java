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
        .contains("\ralign", "100% 10/10 steps")
        .endsWith("\ralign: 10 steps in 0:00, loss 1.2" + System.lineSeparator());
  }

  @Test
  void whatTookNoTimeAndTellsNothingHasNoLine() {
    for (int columns : new int[] {0, 100}) {
      ProgressBar p = bar(columns, false);
      p.begin("calibrate", 2, "texts");
      p.advance(2, "");
      p.end();
    }
    assertThat(err.toString()).doesNotContain("\n");
  }

  @Test
  void aLongStepIsNotSilentWithoutATerminal() throws InterruptedException {
    PrintWriter none = new PrintWriter(StringWriter.nullWriter());
    Terminal terminal = new Terminal(none, new PrintWriter(err), 0, false);
    ProgressBar p = new ProgressBar(terminal, false, 20_000_000L);
    p.begin("probe", 4, "pairs");
    for (int i = 0; i < 1000 && err.getBuffer().isEmpty(); i++) {
      Thread.sleep(10);
    }
    p.advance(1, "");
    p.end();
    assertThat(err.toString()).startsWith("probe   0% 0/4 pairs");
    int length = err.getBuffer().length();
    Thread.sleep(100);
    assertThat(err.getBuffer()).as("nothing after the end").hasSize(length);
  }

  @Test
  void neverWritesPastTheTerminalsWidth() {
    ProgressBar p = bar(30, false);
    work(p);
    for (String bar : err.toString().split("\r")) {
      assertThat(bar.length() < 30 || bar.startsWith("align: 10 steps in")).as(bar).isTrue();
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
  void drawsNoBarWithoutATerminalAndNothingWhenQuiet() {
    work(bar(0, false));
    assertThat(err.toString())
        .isEqualTo("align: 10 steps in 0:00, loss 1.2" + System.lineSeparator());
    err.getBuffer().setLength(0);
    work(bar(100, true));
    work(bar(0, true));
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
