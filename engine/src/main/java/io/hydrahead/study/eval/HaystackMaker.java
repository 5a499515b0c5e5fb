package io.hydrahead.study.eval;

import io.hydrahead.data.Dice;
import io.hydrahead.data.Fit;
import io.hydrahead.data.PlainText;
import io.hydrahead.data.TaskGenerator;
import io.hydrahead.data.TaskOptions;
import io.hydrahead.data.TaskText;
import io.hydrahead.data.TextCodec;
import io.hydrahead.eval.Example;
import io.hydrahead.eval.Lengths;
import io.hydrahead.tensor.InputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Makes haystacks and their questions: haystack i of a cell is a function of (recipe, tokenizer,
 * seed, cell's task, length, split and number of questions, i). Safe for many threads.
 */
final class HaystackMaker {
  /** From this length on, RULER's own word counts hold. */
  private static final int LONG = 4096;

  /** Share of the length that a text fills at least, where whole lines allow. */
  private static final double CLOSENESS = 0.98;

  /** Tokens beyond the expected answer that may be generated. */
  private static final int SLACK = 8;

  /** Where the last words of a context may be cut off is looked for in so many characters. */
  private static final int TAIL = 200;

  private final EvaluationRecipe recipe;
  private final TextCodec codec;
  private final PlainText heldOut;
  private final long seed;

  HaystackMaker(EvaluationRecipe recipe, TextCodec codec, PlainText heldOut, long seed) {
    this.recipe = recipe;
    this.codec = codec;
    this.heldOut = heldOut;
    this.seed = seed;
  }

  private Dice dice(CellSpec cell, int index) {
    return new Dice(seed, cell.task().hashCode(), cell.length(), cell.split().ordinal(), index);
  }

  /**
   * Haystack {@code index} of a cell; of perplexity, a text without questions.
   *
   * @throws InputException if the smallest text is longer than the cell's length, or there is too
   *     little held-out text
   */
  Example make(CellSpec cell, int index) {
    if (!cell.isRecall()) {
      return new Example(text(cell, index), List.of(), "");
    }
    TaskOptions options =
        TaskOptions.of(recipe.style(), cell.split())
            .withHaystack(recipe.haystack().of(heldOut, cell.split()))
            .withLongContext(cell.length() >= LONG)
            .withDigits(recipe.digits())
            .withInvented(recipe.invented())
            .withAsks(cell.questions());
    TaskGenerator generator = cell.family().generator(options);
    Fit<Example> fit =
        Fit.largest(
            generator,
            dice(cell, index),
            cell.length(),
            CLOSENESS,
            t -> encode(t, cell),
            Example::tokens);
    if (fit instanceof Fit.DoesNotFit<Example>(int smallest)) {
      throw new InputException(
          "%s with %d questions does not fit %d tokens, the smallest text takes %d: take a longer length or fewer questions"
              .formatted(cell.task(), cell.questions(), cell.length(), smallest));
    }
    return ((Fit.Found<Example>) fit).value();
  }

  /**
   * The context's last words are tokenized with each question, since a word's end and what follows
   * may be one token: so every prompt has the tokens that its whole text has.
   */
  private Example encode(TaskText text, CellSpec cell) {
    int cut = wordStart(text.context());
    int[] context = codec.encode(text.context().substring(0, cut));
    String tail = text.context().substring(cut);
    List<Example.Question> questions = new ArrayList<>();
    for (TaskText.Ask ask :
        text.asks().subList(0, Math.min(cell.questions(), text.asks().size()))) {
      int[] ids = codec.encode(tail + ask.question());
      List<int[]> answers = ask.answers().stream().map(codec::encode).toList();
      int expected = answers.stream().mapToInt(a -> a.length).sum();
      int most = cell.isGenerated() ? expected + SLACK : expected;
      questions.add(new Example.Question(ids, answers, ask.references(), most));
    }
    return new Example(context, List.copyOf(questions), "");
  }

  /** The last place with a space before a letter and no space before it: no token spans it. */
  private static int wordStart(String context) {
    int least = Math.max(1, context.length() - TAIL);
    for (int i = context.length() - 2; i >= least; i--) {
      if (context.charAt(i) == ' '
          && Character.isLetter(context.charAt(i + 1))
          && !Character.isWhitespace(context.charAt(i - 1))) {
        return i;
      }
    }
    return context.length();
  }

  private int[] text(CellSpec cell, int index) {
    long available = heldOut.chars(cell.split());
    long place = dice(cell, index).next();
    String separator = codec.separator();
    for (long chars = 4L * cell.length() + 64; ; chars *= 2) {
      int wanted = (int) Math.min(chars, Math.min(available, Integer.MAX_VALUE / 2));
      String text = heldOut.excerpt(cell.split(), wanted, new Dice(place));
      int[] ids = codec.encode(text.replace(TextCodec.END_OF_TEXT, separator));
      if (ids.length >= cell.length()) {
        return Arrays.copyOf(ids, cell.length());
      }
      if (wanted < chars) {
        throw new InputException(
            "perplexity at %s: the held-out text of the %s split has only %d tokens; take a shorter length or more text"
                .formatted(Lengths.format(cell.length()), cell.split(), ids.length));
      }
    }
  }
}
