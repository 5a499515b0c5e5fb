package io.hydrahead.tokenizer;

/** Cuts text into pieces that the merges never cross. Stateless; text holds no lone surrogates. */
interface Splitter {

  /** Receives pieces in order; they cover the text without gaps. */
  interface Pieces {
    void piece(char[] text, int from, int to);
  }

  /**
   * Hands the pieces of {@code text[from … to − 1]} to {@code out}; patterns see nothing outside.
   */
  void split(char[] text, int from, int to, Pieces out);

  /** One piece. */
  Splitter WHOLE = (text, from, to, out) -> out.piece(text, from, to);

  /** This splitter, and {@code next} on each of its pieces. */
  default Splitter then(Splitter next) {
    if (this == WHOLE) {
      return next;
    }
    return next == WHOLE
        ? this
        : (text, from, to, out) -> split(text, from, to, (t, a, b) -> next.split(t, a, b, out));
  }
}
