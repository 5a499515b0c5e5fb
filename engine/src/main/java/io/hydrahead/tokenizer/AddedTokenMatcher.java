package io.hydrahead.tokenizer;

import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.UnaryOperator;

/**
 * Finds added tokens in text: leftmost first, the longest of those that start at the same place.
 * Options of a token are applied as Hugging Face tokenizers do it, after the match.
 */
final class AddedTokenMatcher {
  private final Node root = new Node();
  private final BitSet firstChars = new BitSet();

  private static final class Node {
    private final Map<Character, Node> children = new HashMap<>();
    private Optional<AddedToken> token = Optional.empty();
  }

  /** Receives the parts of the text in order. */
  interface Parts {
    void text(char[] text, int from, int to);

    void token(AddedToken token);
  }

  /** Matches the contents of {@code tokens}, each through {@code spelling}. */
  AddedTokenMatcher(List<AddedToken> tokens, UnaryOperator<String> spelling) {
    for (AddedToken t : tokens) {
      String content = spelling.apply(t.content());
      if (content.isEmpty()) {
        continue;
      }
      Node node = root;
      for (int i = 0; i < content.length(); i++) {
        node = node.children.computeIfAbsent(content.charAt(i), _ -> new Node());
      }
      node.token = Optional.of(t);
      firstChars.set(content.charAt(0));
    }
  }

  /**
   * Splits {@code text[from … to − 1]}; special tokens are plain text unless {@code parseSpecial}.
   */
  void split(char[] text, int from, int to, boolean parseSpecial, Parts out) {
    int done = from;
    for (int i = from; i < to; ) {
      if (!firstChars.get(text[i])) {
        i++;
        continue;
      }
      Match m = longest(text, i, to);
      if (m == null) {
        i++;
        continue;
      }
      int start = i;
      int end = m.end;
      i = end;
      AddedToken t = m.token;
      if (t.special() && !parseSpecial
          || t.singleWord() && (wordEnds(text, from, start) || wordStarts(text, end, to))) {
        continue;
      }
      if (t.lstrip()) {
        while (start > done && isSpace(text[start - 1])) {
          start--;
        }
      }
      if (t.rstrip()) {
        while (end < to && isSpace(text[end])) {
          end++;
        }
      }
      if (start > done) {
        out.text(text, done, start);
      }
      out.token(t);
      done = end;
      i = end;
    }
    if (done < to) {
      out.text(text, done, to);
    }
  }

  private record Match(AddedToken token, int end) {}

  private Match longest(char[] text, int from, int to) {
    Match best = null;
    Node node = root;
    for (int i = from; i < to; i++) {
      node = node.children.get(text[i]);
      if (node == null) {
        break;
      }
      if (node.token.isPresent()) {
        best = new Match(node.token.get(), i + 1);
      }
    }
    return best;
  }

  private static boolean isSpace(char c) {
    return !Character.isSurrogate(c) && CharClass.at(new char[] {c}, 0) == CharClass.SPACE;
  }

  private static boolean wordEnds(char[] text, int from, int at) {
    return at > from && isWord(Character.codePointBefore(text, at, from));
  }

  private static boolean wordStarts(char[] text, int at, int to) {
    return at < to && isWord(Character.codePointAt(text, at, to));
  }

  /** Unicode's {@code \w}: alphabetic, marks, decimal digits, connectors, joiners. */
  private static boolean isWord(int c) {
    return switch (Character.getType(c)) {
      case Character.NON_SPACING_MARK,
          Character.ENCLOSING_MARK,
          Character.COMBINING_SPACING_MARK,
          Character.DECIMAL_DIGIT_NUMBER,
          Character.CONNECTOR_PUNCTUATION ->
          true;
      default -> Character.isAlphabetic(c) || c == 0x200C || c == 0x200D;
    };
  }
}
