package io.hydrahead.data;

import java.util.function.Function;
import java.util.function.ToIntFunction;

/**
 * What came of sizing a task's text to a budget of tokens.
 *
 * @param <T> the text's encoded form
 */
public sealed interface Fit<T> {
  /**
   * The text fits.
   *
   * @param tokens it takes
   */
  record Found<T>(T value, int size, int tokens) implements Fit<T> {}

  /**
   * Even the smallest text is too long.
   *
   * @param smallest tokens that the smallest text takes
   */
  record DoesNotFit<T>(int smallest) implements Fit<T> {}

  /**
   * Finds the largest size whose text stays within the budget. Lengths are always measured on the
   * whole encoded text, and the search ends for every generator, because each step narrows the
   * range of sizes.
   *
   * @param closeness stop at the first text that takes this share of the budget; 1 goes on to the
   *     largest size that fits
   */
  static <T> Fit<T> largest(
      TaskGenerator generator,
      Dice dice,
      int budget,
      double closeness,
      Function<TaskText, T> encode,
      ToIntFunction<T> tokens) {
    int low = generator.smallest();
    T best = encode.apply(generator.build(low, dice));
    int bestTokens = tokens.applyAsInt(best);
    if (bestTokens > budget) {
      return new DoesNotFit<>(bestTokens);
    }
    long high = (long) generator.largest() + 1;
    long guess = Math.min(low + 4L, high - 1);
    double rate = 0;
    for (int step = 0; high - low > 1 && bestTokens < closeness * budget; step++) {
      T made = encode.apply(generator.build((int) guess, dice));
      int count = tokens.applyAsInt(made);
      if (guess > low) {
        rate = Math.max((count - bestTokens) / (double) (guess - low), rate / 4);
      }
      if (count <= budget) {
        low = (int) guess;
        best = made;
        bestTokens = count;
      } else {
        high = guess;
      }
      if (high - low <= 1) {
        break;
      }
      guess = next(low, high, step, (budget - bestTokens) / Math.max(rate, 0.25));
    }
    return new Found<>(best, low, bestTokens);
  }

  /** Interpolates, and halves the range when interpolation has not settled after a while. */
  private static long next(long low, long high, int step, double units) {
    long guess = step > 10 && high < Integer.MAX_VALUE ? (low + high) >>> 1 : low + (long) units;
    return Math.clamp(guess, low + 1, high - 1);
  }
}
