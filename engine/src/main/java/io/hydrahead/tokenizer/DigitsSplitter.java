package io.hydrahead.tokenizer;

import static io.hydrahead.tokenizer.CharClass.NUMBER;
import static io.hydrahead.tokenizer.CharClass.after;
import static io.hydrahead.tokenizer.CharClass.run;

/** Separates numbers from the rest: digit by digit, or in runs. */
record DigitsSplitter(boolean individual) implements Splitter {

  @Override
  public void split(char[] text, int from, int to, Pieces out) {
    for (int i = from; i < to; ) {
      int end = run(text, i, to, NUMBER);
      if (end > i) {
        end = individual ? after(text, i) : end;
      } else {
        end = run(text, i, to, ~NUMBER & 31);
      }
      out.piece(text, i, end);
      i = end;
    }
  }
}
