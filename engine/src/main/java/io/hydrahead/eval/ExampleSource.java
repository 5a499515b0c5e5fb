package io.hydrahead.eval;

import io.hydrahead.data.Dice;
import io.hydrahead.data.Fit;
import io.hydrahead.data.Split;
import io.hydrahead.data.TaskGenerator;
import io.hydrahead.data.TaskOptions;
import io.hydrahead.data.TaskStyle;
import io.hydrahead.data.TaskText;
import io.hydrahead.data.TextCodec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Makes the examples of an evaluation: example i of a task at a length is a function of (options,
 * tokenizer, seed, task, length, i), whatever model is asked. Words are those of the test split.
 */
public final class ExampleSource {
  /** From this length on, RULER's own word counts and output lengths hold. */
  private static final int LONG = 4096;

  /** Below this length a needle task hides two keys or values instead of four, in short style. */
  private static final int TINY = 384;

  /** Tokens beyond the expected answer that may be generated at short lengths. */
  private static final int SLACK = 8;

  private final EvalOptions options;
  private final TextCodec codec;
  private final long seed;

  public ExampleSource(EvalOptions options, TextCodec codec, long seed) {
    this.options = options;
    this.codec = codec;
    this.seed = seed;
  }

  /**
   * Example {@code index} of a recall task, with prompt and output within {@code length} tokens and
   * as close to it as whole haystack lines allow; or the least length that would do.
   */
  public Fit<Example> example(EvalTask task, int length, int index) {
    TaskGenerator generator = task.family().generator(taskOptions(task, length));
    return Fit.largest(
        generator,
        dice(task, length, index),
        length,
        1,
        t -> encode(task, t, length),
        Example::tokens);
  }

  /**
   * Plain text of exactly {@code length} tokens, or the number of tokens there are of it where the
   * source is too small.
   */
  public Fit<int[]> text(int length, int index) {
    long available = options.text().chars(Split.TEST);
    Dice dice = dice(EvalTask.PERPLEXITY, length, index);
    long place = dice.next();
    String separator = codec.separator();
    for (long chars = 6L * length + 64; ; chars *= 2) {
      int wanted = (int) Math.min(chars, Math.min(available, Integer.MAX_VALUE / 2));
      String text = options.text().excerpt(Split.TEST, wanted, new Dice(place));
      int[] ids = codec.encode(text.replace(TextCodec.END_OF_TEXT, separator));
      if (ids.length >= length) {
        return new Fit.Found<>(Arrays.copyOf(ids, length), length, length);
      }
      if (wanted < chars) {
        return new Fit.DoesNotFit<>(ids.length);
      }
    }
  }

  private Dice dice(EvalTask task, int length, int index) {
    return new Dice(seed, task.id().hashCode(), length, index);
  }

  private TaskOptions taskOptions(EvalTask task, int length) {
    boolean lists = task == EvalTask.MQAR || task == EvalTask.PHONEBOOK;
    boolean few = options.style() == TaskStyle.SHORT && length < TINY;
    return TaskOptions.of(options.style(), Split.TEST)
        .withHaystack(options.haystack())
        .withLongContext(length >= LONG)
        .withDigits(options.digits())
        .withAsks(lists ? options.questions() : 1)
        .withKeys(few && !amongNeedles(task) ? 2 : 0);
  }

  private static boolean amongNeedles(EvalTask task) {
    return task == EvalTask.NIAH_MULTIKEY_2 || task == EvalTask.NIAH_MULTIKEY_3;
  }

  private Example encode(EvalTask task, TaskText text, int length) {
    List<TaskText.Ask> asks = text.asks();
    String first = asks.getFirst().question();
    boolean whole = asks.size() == 1;
    int[] context = codec.encode(whole ? text.context() + first : text.context());
    List<Example.Question> questions = new ArrayList<>();
    for (TaskText.Ask ask : asks) {
      List<int[]> answers = ask.answers().stream().map(codec::encode).toList();
      int expected = answers.stream().mapToInt(a -> a.length).sum();
      int maxNew =
          length >= LONG && options.style() == TaskStyle.RULER
              ? Math.max(expected, task.outputTokens())
              : expected + SLACK;
      int[] ids = whole ? new int[0] : codec.encode(ask.question());
      questions.add(new Example.Question(ids, answers, ask.references(), maxNew));
    }
    return new Example(context, List.copyOf(questions), text.context() + first);
  }
}
