package io.hydrahead.data;

import io.hydrahead.tensor.Progress;
import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * Text to train a tokenizer on: the same mix of examples and plain text that a {@link DataRecipe}
 * makes training rows of, before there is a tokenizer to measure with. Words in the examples are
 * all invented: a tokenizer trained on the training split's listed words would give each of them a
 * token of its own, which the words of other splits do not have.
 */
public final class TokenizerCorpus implements Iterable<String> {
  private final DataRecipe recipe;
  private final long seed;
  private final long chars;

  /**
   * @param chars length of all texts together, at least
   */
  public TokenizerCorpus(DataRecipe recipe, long seed, long chars) {
    this.recipe = recipe;
    this.seed = seed;
    this.chars = chars;
  }

  @Override
  public Iterator<String> iterator() {
    return texts(Progress.SILENT);
  }

  /**
   * The same texts, of which {@code progress} is told, in characters.
   *
   * @throws java.util.concurrent.CancellationException between two texts, if it asks to stop
   */
  public Iterable<String> watched(Progress progress) {
    return () -> texts(progress);
  }

  private Iterator<String> texts(Progress progress) {
    return new Iterator<>() {
      private long made;
      private long index;

      @Override
      public boolean hasNext() {
        return made < chars;
      }

      @Override
      public String next() {
        if (!hasNext()) {
          throw new NoSuchElementException();
        }
        progress.throwIfCancelled();
        String s = text(index++);
        made += s.length();
        progress.advance(Math.min(made, chars), "");
        return s;
      }
    };
  }

  /** Text {@code index}: an example, or an excerpt of plain text. */
  public String text(long index) {
    Dice dice = new Dice(seed, 0x70C, index);
    String text;
    if (recipe.drawPlain(dice)) {
      text = recipe.text().excerpt(Split.TRAIN, 2000, dice);
    } else {
      TaskFamily family = recipe.drawFamily(dice);
      TaskOptions options = recipe.drawOptions(family, Split.TRAIN, 512, 512, dice).withInvented(1);
      TaskGenerator g = family.generator(options);
      int size = g.smallest() + dice.below(12);
      text = g.build(Math.min(size, g.largest()), dice.fork(1)).transcript();
    }
    return text.replace(TextCodec.END_OF_TEXT, "\n");
  }
}
