package io.hydrahead.eval;

import io.hydrahead.data.TextCodec;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.Sampler;
import io.hydrahead.model.Session;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A {@link HybridTransformer} under evaluation. The context of an example is read once; each
 * question goes on from there. Keeps one session, as long as the longest prompt so far.
 */
public final class SessionModel implements EvalModel, AutoCloseable {
  private final String name;
  private final HybridTransformer model;
  private final TextCodec codec;
  private final Sampler greedy = new Sampler(Sampler.Settings.GREEDY);
  private Session session;

  /** The caller keeps {@code model} open as long as this is used, and closes it. */
  public SessionModel(String name, HybridTransformer model, Tokenizer tokenizer) {
    this(name, model, TextCodec.of(tokenizer));
  }

  SessionModel(String name, HybridTransformer model, TextCodec codec) {
    this.name = name;
    this.model = model;
    this.codec = codec;
    session = model.newSession(1);
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public TextCodec codec() {
    return codec;
  }

  private void start(int tokens) {
    if (tokens > session.capacity()) {
      session.close();
      session = model.newSession(tokens);
    } else {
      session.reset();
    }
  }

  @Override
  public int[] generate(int[] prompt, int maxNew) {
    start(prompt.length + maxNew);
    return decode(argmax(session.prefill(prompt), 0), maxNew);
  }

  @Override
  public List<int[]> generate(Example example) {
    List<int[]> out = new ArrayList<>();
    forEachQuestion(example, (question, first) -> out.add(decode(first, question.maxNew())));
    return out;
  }

  @Override
  public List<boolean[]> greedyMatches(Example example) {
    List<boolean[]> out = new ArrayList<>();
    forEachQuestion(
        example,
        (question, first) -> {
          int[] expected = question.continuation();
          boolean[] matches = new boolean[expected.length];
          matches[0] = first == expected[0];
          if (expected.length > 1) {
            int[] read = Arrays.copyOf(expected, expected.length - 1);
            session.prefill(
                read,
                (from, logits) -> {
                  for (int r = 0; r < logits.size(0); r++) {
                    matches[from + r + 1] = argmax(logits, r) == expected[from + r + 1];
                  }
                });
          }
          out.add(matches);
        });
    return out;
  }

  private interface Asked {
    /**
     * Called when the question has been read.
     *
     * @param first the model's first choice after it
     */
    void answer(Example.Question question, int first);
  }

  private void forEachQuestion(Example example, Asked asked) {
    start(example.tokens());
    int afterContext = argmax(session.prefill(example.context()), 0);
    boolean again = example.questions().size() > 1;
    Session.Mark mark = again ? session.mark() : null;
    for (Example.Question q : example.questions()) {
      if (again) {
        session.rewind(mark);
      }
      int first = q.ids().length == 0 ? afterContext : argmax(session.prefill(q.ids()), 0);
      asked.answer(q, first);
    }
  }

  private int[] decode(int first, int maxNew) {
    int[] out = new int[maxNew];
    int next = first;
    for (int i = 0; i < maxNew; i++) {
      if (model.config().eosTokenIds().contains(next)) {
        return Arrays.copyOf(out, i);
      }
      out[i] = next;
      if (i + 1 < maxNew) {
        next = session.decodeGreedy(next);
      }
    }
    return out;
  }

  @Override
  public double[] tokenLogLikelihoods(int[] ids) {
    start(ids.length);
    double[] out = new double[ids.length - 1];
    session.prefill(
        ids,
        (from, logits) -> {
          for (int r = 0; r < logits.size(0) && from + r < out.length; r++) {
            out[from + r] = logProbability(logits, r, ids[from + r + 1]);
          }
        });
    return out;
  }

  private double logProbability(Tensor logits, int row, int id) {
    int vocabulary = logits.size(1);
    long base = (long) row * vocabulary;
    float most = logits.get(base + argmax(logits, row));
    double sum = 0;
    for (int v = 0; v < vocabulary; v++) {
      sum += Math.exp(logits.get(base + v) - most);
    }
    return logits.get(base + id) - most - Math.log(sum);
  }

  /** First choice of {@code row} of logits [n, V] or [V]. */
  private int argmax(Tensor logits, int row) {
    return greedy.next(logits.rank() == 1 ? logits : logits.rows(row, 1).view(logits.size(1)));
  }

  @Override
  public void close() {
    session.close();
  }
}
