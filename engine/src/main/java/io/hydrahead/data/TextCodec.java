package io.hydrahead.data;

import io.hydrahead.tokenizer.Tokenizer;
import java.util.function.Function;

/** Text to token ids and back: all that data and tasks need of a tokenizer. */
public interface TextCodec {
  /** Text that marks the end of a document in generated rows, where the vocabulary has it. */
  String END_OF_TEXT = "<|endoftext|>";

  /** Ids of {@code text}; special tokens written out in the text become their ids. */
  int[] encode(String text);

  /** Text of {@code ids}. */
  String decode(int[] ids);

  /** Size of the vocabulary. */
  int vocabSize();

  /**
   * What stands between two documents: {@link #END_OF_TEXT} where it is one token, else a blank
   * line.
   */
  default String separator() {
    return encode(END_OF_TEXT).length == 1 ? END_OF_TEXT : "\n\n";
  }

  /** A tokenizer as a codec. */
  static TextCodec of(Tokenizer tokenizer) {
    return of(tokenizer::encode, tokenizer::decode, tokenizer.vocabSize());
  }

  /** A codec of two functions, such as the methods of a tokenizer. */
  static TextCodec of(
      Function<String, int[]> encode, Function<int[], String> decode, int vocabSize) {
    return new TextCodec() {
      @Override
      public int[] encode(String text) {
        return encode.apply(text);
      }

      @Override
      public String decode(int[] ids) {
        return decode.apply(ids);
      }

      @Override
      public int vocabSize() {
        return vocabSize;
      }
    };
  }
}
