package io.hydrahead.plan;

import io.hydrahead.tensor.InputException;
import java.math.BigDecimal;
import java.math.RoundingMode;

/**
 * How many linear heads to one full head: {@code r:1}, or one of the ends {@code full} and {@code
 * all-linear} (also {@code 0}: no full heads).
 */
public final class Ratio {
  /** Every head full. */
  public static final Ratio FULL = new Ratio("full", BigDecimal.ZERO);

  /** No head full. */
  public static final Ratio ALL_LINEAR = new Ratio("all-linear", null);

  private final String text;
  private final BigDecimal linearPerFull; // null: no full heads

  private Ratio(String text, BigDecimal linearPerFull) {
    this.text = text;
    this.linearPerFull = linearPerFull;
  }

  /**
   * From {@code 7:1}, {@code 2.5:1}, {@code full}, {@code all-linear} or {@code 0}.
   *
   * @throws InputException showing the text and what can be written instead
   */
  public static Ratio parse(String text) {
    String t = text.strip();
    if (t.equals("0") || t.equals(ALL_LINEAR.text)) {
      return ALL_LINEAR;
    }
    if (t.equals(FULL.text)) {
      return FULL;
    }
    if (t.matches("\\d{1,6}(\\.\\d{1,6})?:1")) {
      BigDecimal r = new BigDecimal(t.substring(0, t.length() - 2));
      if (r.signum() > 0) {
        return new Ratio(t, r);
      }
    }
    throw new InputException(
        "--ratio '"
            + text
            + "' is not a ratio; write linear to full heads, such as 7:1, or full or"
            + " all-linear");
  }

  /** K = round(cells / (r + 1)), half up. */
  public int fullOf(int cells) {
    return divide(cells, RoundingMode.HALF_UP);
  }

  /** n = ⌈layers / (r + 1)⌉: whole rows of a layer-wise plan. */
  public int rowsOf(int layers) {
    return divide(layers, RoundingMode.CEILING);
  }

  /** Whether {@code layers} can be divided so in whole rows; every end can. */
  public boolean isExactOf(int layers) {
    return isAllLinear()
        || new BigDecimal(rowsOf(layers))
                .multiply(linearPerFull.add(BigDecimal.ONE))
                .compareTo(new BigDecimal(layers))
            == 0;
  }

  private int divide(int count, RoundingMode rounding) {
    return linearPerFull == null
        ? 0
        : new BigDecimal(count).divide(linearPerFull.add(BigDecimal.ONE), 0, rounding).intValue();
  }

  /** Whether no head is full. */
  public boolean isAllLinear() {
    return linearPerFull == null;
  }

  /** Whether every head is full. */
  public boolean isFull() {
    return linearPerFull != null && linearPerFull.signum() == 0;
  }

  /** The ratio that a share of full heads amounts to, such as {@code 5:1} or {@code 6.11:1}. */
  public static String real(double headShare) {
    if (headShare <= 0) {
      return ALL_LINEAR.text;
    }
    if (headShare >= 1) {
      return FULL.text;
    }
    BigDecimal r =
        BigDecimal.valueOf(1 / headShare - 1)
            .setScale(2, RoundingMode.HALF_UP)
            .stripTrailingZeros();
    return r.toPlainString() + ":1";
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof Ratio r && text.equals(r.text);
  }

  @Override
  public int hashCode() {
    return text.hashCode();
  }

  /** As it was written. */
  @Override
  public String toString() {
    return text;
  }
}
