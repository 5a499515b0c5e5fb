package io.hydrahead.tokenizer;

/**
 * Decodes token by token. A character whose bytes are spread over several tokens appears with the
 * last of them; all that {@link #push} and {@link #finish} return, joined, is {@link
 * Tokenizer#decode(int[])} of the ids. Not for use by two threads at once.
 */
public final class StreamingDecoder {
  private final Tokenizer tokenizer;
  private final Utf8 utf8 = new Utf8();
  private final StringBuilder text = new StringBuilder();

  StreamingDecoder(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** The text that is complete with {@code id}; may be empty. */
  public String push(int id) {
    text.setLength(0);
    utf8.decode(tokenizer.bytes(id), text);
    return text.toString();
  }

  /**
   * What is left: U+FFFD if the last character is unfinished, else nothing. Ready for a new text.
   */
  public String finish() {
    text.setLength(0);
    utf8.finish(text);
    return text.toString();
  }
}
