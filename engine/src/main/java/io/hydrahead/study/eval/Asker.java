package io.hydrahead.study.eval;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import io.hydrahead.data.TextCodec;
import io.hydrahead.eval.Example;
import io.hydrahead.eval.Metric;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.Session;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Reads haystacks and asks their questions. A haystack is read once; its questions, with the
 * expected answers behind them, are branches of one more pass. The model's first choice at every
 * token of an answer tells whether greedy decoding would have given it: while all are right,
 * decoding would have read the very same tokens.
 *
 * <p>Keeps one session, for one length at a time.
 */
final class Asker implements AutoCloseable {
  /** What a branch may take beyond its question and answer. */
  private static final int ROOM = 32;

  /**
   * Contexts are read up to a multiple of it, so that few passes serve all; the rest is branched.
   */
  private static final int GRID = 64;

  private final HybridTransformer model;
  private final TextCodec codec;
  private Session session;

  /** The caller keeps {@code model} open. */
  Asker(HybridTransformer model, TextCodec codec) {
    this.model = model;
    this.codec = codec;
  }

  /**
   * What came of one haystack.
   *
   * @param score mean over its questions of the share of things asked for that greedy decoding
   *     gives before its first mistake; of generated answers, the share that is found in the output
   * @param exact share of questions with the whole answer right
   */
  record Score(double score, double exact) {}

  private Session at(int length) {
    if (session == null || session.capacity() != length + ROOM) {
      close();
      session = model.newSession(length + ROOM);
    } else {
      session.reset();
    }
    return session;
  }

  /**
   * @param length of the cell
   * @param generated whether answers are generated and searched
   */
  Score ask(Example example, int length, boolean generated) {
    Session s = at(length);
    return generated ? generate(s, example) : check(s, example);
  }

  /** Reads the context up to the grid and returns what is left of it. */
  private static int[] read(Session s, int[] context) {
    int whole = context.length < GRID ? context.length : context.length / GRID * GRID;
    s.read(Arrays.copyOf(context, whole));
    return Arrays.copyOfRange(context, whole, context.length);
  }

  private static int[] joined(int[] a, int[] b, int count) {
    int[] out = Arrays.copyOf(a, a.length + count);
    System.arraycopy(b, 0, out, a.length, count);
    return out;
  }

  private Score check(Session s, Example example) {
    int[] rest = read(s, example.context());
    List<Example.Question> questions = example.questions();
    int[][] texts = new int[questions.size()][];
    int[] from = new int[texts.length];
    List<int[]> expected = new ArrayList<>();
    for (int q = 0; q < texts.length; q++) {
      int[] ids = questions.get(q).ids();
      int[] answer = questions.get(q).continuation();
      int[] prompt = joined(rest, ids, ids.length);
      texts[q] = joined(prompt, answer, answer.length - 1);
      from[q] = prompt.length - 1;
      expected.add(answer);
    }
    Choices choices = new Choices(s.branch(texts, from));
    double score = 0;
    double exact = 0;
    for (int q = 0; q < texts.length; q++) {
      int right = choices.rightInARow(expected.get(q));
      score += wholeAnswers(questions.get(q), right);
      exact += right == expected.get(q).length ? 1 : 0;
    }
    return new Score(score / texts.length, exact / texts.length);
  }

  /** Share of the answers that lie within the first {@code right} tokens. */
  private static double wholeAnswers(Example.Question q, int right) {
    int end = 0;
    int whole = 0;
    for (int[] answer : q.answers()) {
      end += answer.length;
      whole += end <= right ? 1 : 0;
    }
    return (double) whole / q.answers().size();
  }

  /** Goes through rows of logits [n, V], in the host's memory, against expected ids. */
  private static final class Choices {
    private final Tensor logits;
    private final float[] row;
    private int next;

    Choices(Tensor logits) {
      this.logits = logits;
      row = new float[logits.size(1)];
    }

    /** How many of the next rows choose {@code ids} before the first that does not. */
    int rightInARow(int[] ids) {
      int right = 0;
      while (right < ids.length && chooses(next + right, ids[right])) {
        right++;
      }
      next += ids.length;
      return right;
    }

    /** Whether {@code id} is the first choice; of equals the smallest is. NaN chooses nothing. */
    private boolean chooses(int r, int id) {
      MemorySegment.copy(
          logits.segment(), JAVA_FLOAT, (long) r * row.length * Float.BYTES, row, 0, row.length);
      float own = row[id];
      for (int v = 0; v < id; v++) {
        if (!(row[v] < own)) {
          return false;
        }
      }
      for (int v = id + 1; v < row.length; v++) {
        if (!(row[v] <= own)) {
          return false;
        }
      }
      return true;
    }
  }

  private Score generate(Session s, Example example) {
    double score = 0;
    double exact = 0;
    boolean again = example.questions().size() > 1;
    int[] rest = read(s, example.context());
    Session.Mark mark = again ? s.mark() : null;
    for (Example.Question q : example.questions()) {
      if (again) {
        s.rewind(mark);
      }
      double found = Metric.stringMatchAll(codec.decode(decode(s, rest, q)), q.references());
      score += found;
      exact += found == 1 ? 1 : 0;
    }
    int n = example.questions().size();
    return new Score(score / n, exact / n);
  }

  private int[] decode(Session s, int[] rest, Example.Question q) {
    int[] out = new int[q.maxNew()];
    int next = first(s.prefill(joined(rest, q.ids(), q.ids().length)));
    for (int i = 0; i < out.length; i++) {
      if (model.config().eosTokenIds().contains(next)) {
        return Arrays.copyOf(out, i);
      }
      out[i] = next;
      if (i + 1 < out.length) {
        next = s.decodeGreedy(next);
      }
    }
    return out;
  }

  private static int first(Tensor logits) {
    float[] all = logits.toFloats();
    int best = 0;
    for (int v = 1; v < all.length; v++) {
      best = all[v] > all[best] ? v : best;
    }
    return best;
  }

  /** {@link Session#crossEntropy} of a text from an empty session of {@code length}. */
  double[] losses(int[] ids, int length, int[] ends) {
    return at(length).crossEntropy(ids, ends);
  }

  @Override
  public void close() {
    if (session != null) {
      session.close();
      session = null;
    }
  }
}
