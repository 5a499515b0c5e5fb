package io.hydrahead.data;

import java.util.List;

/** A source of text to read at random places. */
public interface PlainText {
  /**
   * Text from a place that {@code dice} choose, at least {@code chars} characters of it, ending
   * with a line; documents in it are divided by {@link TextCodec#END_OF_TEXT}. A longer excerpt
   * with equal dice begins with the shorter one.
   */
  String excerpt(Split split, int chars, Dice dice);

  /** Changes when the text does. */
  String fingerprint();

  /** Characters there are in {@code split}; {@link Long#MAX_VALUE} where text is generated. */
  long chars(Split split);

  /** What a user should know about the source, such as the hash of an archive. */
  List<String> notices();

  /** Sentences of {@link Prose} without end. */
  static PlainText generated() {
    return new PlainText() {
      @Override
      public String excerpt(Split split, int chars, Dice dice) {
        Dice own = new Dice(dice.next(), split.ordinal());
        StringBuilder out = new StringBuilder();
        while (out.length() < chars) {
          int paragraphs = own.range(1, 6);
          for (int i = 0; i < paragraphs; i++) {
            out.append(Prose.text(1, own));
          }
          if (out.length() < chars) {
            out.append(TextCodec.END_OF_TEXT);
          }
        }
        return out.toString();
      }

      @Override
      public String fingerprint() {
        return "generated-prose-1";
      }

      @Override
      public long chars(Split split) {
        return Long.MAX_VALUE;
      }

      @Override
      public List<String> notices() {
        return List.of();
      }
    };
  }
}
