package io.hydrahead.data;

import io.hydrahead.tensor.InputException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.function.ToIntFunction;

/**
 * Training rows of T + 1 tokens, each a function of (recipe, tokenizer, seed, split, T, index)
 * alone, so that a run resumes at any row. A row is plain text, or several whole examples with
 * plain text after them; no example is cut.
 */
public final class TrainingText {
  /** Tries to find a family that fits into what is left of a row. */
  private static final int TRIES = 4;

  /** Share of its length that an example must fill at least. */
  private static final double CLOSENESS = 0.85;

  private final DataRecipe recipe;
  private final TextCodec codec;
  private final Split split;
  private final int context;
  private final long seed;
  private final String separator;
  private final int[] separatorIds;

  /**
   * @param split whose words and text are used
   * @param context T, the row's length less one, at least 8
   */
  public TrainingText(DataRecipe recipe, TextCodec codec, Split split, int context, long seed) {
    if (context < 8) {
      throw new InputException("a training context of " + context + " tokens is too short; use 8");
    }
    this.recipe = recipe;
    this.codec = codec;
    this.split = split;
    this.context = context;
    this.seed = seed;
    separator = codec.separator();
    separatorIds = codec.encode(separator);
  }

  /**
   * A row.
   *
   * @param ids [T + 1]
   * @param weights [T + 1]: what predicting the token at that place counts in the loss
   */
  public record TrainingRow(int[] ids, float[] weights) {}

  /** Rows there are: generated text has no end. */
  public long count() {
    return 1L << 40;
  }

  /** Row {@code index}, from 0. */
  public TrainingRow row(long index) {
    Dice dice = new Dice(seed, split.ordinal(), context, index);
    WeightedTokens row = new WeightedTokens();
    int length = context + 1;
    if (!recipe.drawPlain(dice)) {
      int failures = 0;
      for (int i = 0; failures < TRIES && length - row.size() >= recipe.minTokens(); i++) {
        WeightedTokens example = example(length - row.size(), dice.fork(i));
        if (example == null) {
          failures++;
        } else {
          row.add(example);
        }
      }
    }
    fillWithText(row, length, dice);
    return new TrainingRow(row.ids(), row.weights());
  }

  /**
   * Reads row {@code index} into arrays.
   *
   * @param ids [T + 1], assigned
   * @param weights [T + 1], assigned
   */
  public void read(long index, int[] ids, float[] weights) {
    TrainingRow row = row(index);
    System.arraycopy(row.ids(), 0, ids, 0, context + 1);
    System.arraycopy(row.weights(), 0, weights, 0, context + 1);
  }

  /** An example of at most {@code room} tokens, or null where the family drawn does not fit. */
  private WeightedTokens example(int room, Dice dice) {
    int length = recipe.drawLength(room, dice);
    TaskFamily family = recipe.drawFamily(dice);
    TaskGenerator generator =
        family.generator(recipe.drawOptions(family, split, length, context, dice));
    ToIntFunction<WeightedTokens> tokens = WeightedTokens::size;
    Fit<WeightedTokens> fit =
        Fit.largest(generator, dice.fork(1), length, CLOSENESS, this::encode, tokens);
    if (fit instanceof Fit.DoesNotFit<WeightedTokens>(int smallest) && smallest <= room) {
      fit = Fit.largest(generator, dice.fork(1), smallest, CLOSENESS, this::encode, tokens);
    }
    return fit instanceof Fit.Found<WeightedTokens>(WeightedTokens w, int size, int n) ? w : null;
  }

  /** The example's tokens with their weights, and a separator after it. */
  WeightedTokens encode(TaskText text) {
    WeightedTokens out = new WeightedTokens();
    float filler = recipe.weight(Part.FILLER);
    String prompt = text.context();
    float weight = recipe.weight(text.kind());
    for (TaskText.Ask ask : text.asks()) {
      out.add(codec.encode(marked(prompt + ask.question())), weight);
      for (String answer : ask.answers()) {
        out.add(codec.encode(answer), recipe.weight(ask.kind()));
      }
      prompt = "";
      weight = filler;
    }
    return out.add(separatorIds, filler);
  }

  private String marked(String s) {
    return separator.equals(TextCodec.END_OF_TEXT)
        ? s
        : s.replace(TextCodec.END_OF_TEXT, separator);
  }

  private void fillWithText(WeightedTokens row, int length, Dice dice) {
    int chars = 6 * (length - row.size()) + 64;
    long place = dice.next();
    int start = row.size();
    while (row.size() < length) {
      int room = length - start;
      int[] ids = codec.encode(marked(recipe.text().excerpt(split, chars, new Dice(place))));
      if (ids.length >= room) {
        row.add(ids, room, recipe.weight(Part.TEXT));
      }
      chars = Math.multiplyExact(chars, 2);
    }
  }

  /** A SHA-256 that changes when any row does. */
  public String fingerprint() {
    var sha = TextCorpus.sha256();
    String probe = Templates.NIAH + Templates.NEEDLE + Prose.text(2000, new Dice(1));
    String all =
        String.join(
            "|",
            recipe.fingerprint(),
            split.name(),
            Integer.toString(context),
            Long.toString(seed),
            Integer.toString(codec.vocabSize()),
            Arrays.toString(codec.encode(probe)));
    return HexFormat.of().formatHex(sha.digest(all.getBytes(StandardCharsets.UTF_8)));
  }
}
