package io.hydrahead.tokenizer;

import io.hydrahead.tensor.InputException;
import java.nio.CharBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.UnaryOperator;

/**
 * Byte-level byte-pair encoding with the results of Hugging Face tokenizers (without the tokens
 * that a chat template or post-processor would add). Safe for use by many threads.
 */
public final class Tokenizer {
  private static final int FIRST_COMPOSING = 0x300;

  private final TokenizerJson parts;
  private final AddedTokenMatcher raw;
  private final AddedTokenMatcher normalized;
  private final Queue<WordEncoder> encoders = new ConcurrentLinkedQueue<>();

  private Tokenizer(TokenizerJson parts) {
    this.parts = parts;
    raw = matcher(false, UnaryOperator.identity());
    normalized =
        matcher(true, parts.nfc() ? s -> Normalizer.normalize(s, Normalizer.Form.NFC) : s -> s);
  }

  private AddedTokenMatcher matcher(boolean normalized, UnaryOperator<String> spelling) {
    List<AddedToken> tokens =
        parts.added().stream().filter(t -> t.normalized() == normalized).toList();
    return new AddedTokenMatcher(tokens, spelling);
  }

  /**
   * Reads {@code tokenizer.json}, given as the file or its folder.
   *
   * @throws InputException naming the file and the field that is missing, wrong or not supported
   */
  public static Tokenizer load(Path folderOrFile) {
    boolean folder = Files.isDirectory(folderOrFile);
    return new Tokenizer(
        TokenizerJson.read(folder ? folderOrFile.resolve("tokenizer.json") : folderOrFile));
  }

  /**
   * From the text of a {@code tokenizer.json}.
   *
   * @param source names it in errors
   */
  public static Tokenizer parse(String json, String source) {
    return new Tokenizer(TokenizerJson.parse(json, source));
  }

  /** Largest id + 1. */
  public int vocabSize() {
    return parts.vocabulary().size();
  }

  public boolean has(String token) {
    return parts.vocabulary().find(token) >= 0;
  }

  /**
   * Id of a token as the vocabulary spells it, for example {@code <|im_end|>}.
   *
   * @throws InputException if there is none
   */
  public int id(String token) {
    int id = parts.vocabulary().find(token);
    if (id < 0) {
      throw new InputException("the tokenizer has no token '" + token + "'");
    }
    return id;
  }

  /** Added tokens by ascending id. */
  public List<AddedToken> addedTokens() {
    return parts.added();
  }

  /** Ids of {@code text}; special tokens that it spells out are recognised. */
  public int[] encode(String text) {
    return encode(text, true);
  }

  /**
   * Ids of {@code text}. Lone surrogates count as U+FFFD.
   *
   * @param parseSpecial whether special tokens are recognised; false for text from others, which
   *     must not be able to forge a turn
   */
  public int[] encode(String text, boolean parseSpecial) {
    char[] chars = text.toCharArray();
    replaceLoneSurrogates(chars);
    WordEncoder encoder = encoders.poll();
    if (encoder == null) {
      encoder = new WordEncoder(parts.vocabulary(), parts.merges(), parts.ignoreMerges());
    }
    encoder.clear();
    raw.split(chars, 0, chars.length, parseSpecial, new RawParts(encoder, parseSpecial));
    int[] ids = encoder.take();
    encoders.offer(encoder);
    return ids;
  }

  static void replaceLoneSurrogates(char[] chars) {
    for (int i = 0; i < chars.length; i++) {
      if (Character.isSurrogate(chars[i])) {
        if (i + 1 < chars.length && Character.isSurrogatePair(chars[i], chars[i + 1])) {
          i++;
        } else {
          chars[i] = '\uFFFD';
        }
      }
    }
  }

  private final class RawParts implements AddedTokenMatcher.Parts {
    private final WordEncoder encoder;
    private final boolean parseSpecial;

    RawParts(WordEncoder encoder, boolean parseSpecial) {
      this.encoder = encoder;
      this.parseSpecial = parseSpecial;
    }

    @Override
    public void token(AddedToken token) {
      encoder.add(token.id());
    }

    @Override
    public void text(char[] text, int from, int to) {
      AddedTokenMatcher.Parts words =
          new AddedTokenMatcher.Parts() {
            @Override
            public void text(char[] t, int a, int b) {
              parts.splitter().split(t, a, b, encoder);
            }

            @Override
            public void token(AddedToken token) {
              encoder.add(token.id());
            }
          };
      if (parts.nfc() && mayCompose(text, from, to)) {
        char[] nfc =
            Normalizer.normalize(CharBuffer.wrap(text, from, to - from), Normalizer.Form.NFC)
                .toCharArray();
        normalized.split(nfc, 0, nfc.length, parseSpecial, words);
      } else {
        normalized.split(text, from, to, parseSpecial, words);
      }
    }
  }

  /** Characters below U+0300 are in NFC whatever stands beside them. */
  private static boolean mayCompose(char[] text, int from, int to) {
    for (int i = from; i < to; i++) {
      if (text[i] >= FIRST_COMPOSING) {
        return true;
      }
    }
    return false;
  }

  /** Text of {@code ids}; ids without a token give nothing, ill-formed UTF-8 gives U+FFFD. */
  public String decode(int[] ids) {
    StringBuilder out = new StringBuilder();
    Utf8 utf8 = new Utf8();
    for (int id : ids) {
      utf8.decode(bytes(id), out);
    }
    utf8.finish(out);
    return out.toString();
  }

  /** A decoder for ids that come one by one. */
  public StreamingDecoder streamingDecoder() {
    return new StreamingDecoder(this);
  }

  /** Bytes of a token, which need not be whole characters; none for an id without a token. */
  public byte[] tokenBytes(int id) {
    return bytes(id).clone();
  }

  byte[] bytes(int id) {
    return parts.vocabulary().bytes(id);
  }
}
