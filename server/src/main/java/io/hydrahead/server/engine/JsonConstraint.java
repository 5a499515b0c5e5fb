package io.hydrahead.server.engine;

import io.hydrahead.tensor.Tensor;
import io.hydrahead.tokenizer.AddedToken;
import io.hydrahead.tokenizer.Tokenizer;
import java.util.Set;

/** A reply that is one JSON object: tokens that would leave the grammar cannot come. */
public final class JsonConstraint implements Constraint {
  private static final byte[] NOTHING = new byte[0];

  /** White space before the object: a space or a line break of habit, no more. */
  private static final int MOST_LEADING = 2;

  private final byte[][] tokens;
  private final JsonMachine machine = new JsonMachine(MOST_LEADING);
  private final JsonMachine trial = new JsonMachine(MOST_LEADING);
  private final boolean[] begins = new boolean[256];

  private JsonConstraint(byte[][] tokens) {
    this.tokens = tokens;
  }

  /**
   * Makes constraints for replies in the tokens of {@code tokenizer}.
   *
   * @param vocabSize V of the model; ids without a token cannot come
   */
  public static Maker maker(Tokenizer tokenizer, int vocabSize) {
    byte[][] tokens = new byte[vocabSize][];
    for (int id = 0; id < vocabSize; id++) {
      tokens[id] = tokenizer.tokenBytes(id);
    }
    for (AddedToken t : tokenizer.addedTokens()) {
      if (t.special() && t.id() < vocabSize) {
        tokens[t.id()] = NOTHING;
      }
    }
    return () -> new JsonConstraint(tokens);
  }

  @Override
  public void mask(Tensor logits, Set<Integer> endIds) {
    for (int b = 0; b < begins.length; b++) {
      trial.copyFrom(machine);
      begins[b] = trial.step(b);
    }
    for (int id = 0; id < tokens.length; id++) {
      if (endIds.contains(id) || !fits(tokens[id])) {
        logits.set(id, Float.NEGATIVE_INFINITY);
      }
    }
  }

  private boolean fits(byte[] token) {
    if (token.length == 0 || !begins[token[0] & 0xFF]) {
      return false;
    }
    trial.copyFrom(machine);
    for (byte b : token) {
      if (!trial.step(b & 0xFF)) {
        return false;
      }
    }
    return true;
  }

  @Override
  public void advance(int id) {
    for (byte b : tokens[id]) {
      machine.step(b & 0xFF);
    }
  }

  @Override
  public boolean complete() {
    return machine.complete();
  }
}
