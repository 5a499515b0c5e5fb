package io.hydrahead.tokenizer;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** A small tokenizer of our own trainer, and texts that tell tokenizers apart. */
final class SampleTokenizer {
  static final List<String> HARD_TEXTS =
      List.of(
          "",
          " ",
          "'",
          "don't DON'T I'LL we'VE it'\u017f '\u017f x'S 's 'lL 'l",
          "a\u00a0b\u00a0\u00a0c \u3000d\u2009\u2009e\u0085f",
          "line\r\nline\r\r\n\n  \n\tx  \r",
          "x  \n  y   ",
          "  two  spaces   three",
          "\u0663\u0664\u0665 \u0967\u0968 \u216b \u00bd\u00b2 12345 6,789.01",
          "e\u0301 \u0041\u030a \u1e9b\u0323 \ud55c\uae00 \u1112\u1161\u11ab \u0958",
          "\ud83d\udc69\u200d\ud83d\udcbb\ud83c\udff3\ufe0f\u200d\ud83c\udf08 \ud83d\udc4b\ud83c\udffd!!",
          "\ud835\udfd8\ud835\udfd9 \ud801\udc00\ud801\udc01 \ud842\udfb7\u91ce\u5bb6",
          "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0928\u092e\u0938\u094d\u0924\u0947",
          "lone \ud800 and \udc00 and \udc00\ud800 surrogates\ud83d",
          "<|im_start|>user\nhi<|im_end|>\n<|im_start|> <|im_end <|endoftext|>",
          "the ".repeat(50)
              + "a".repeat(300)
              + " ".repeat(129)
              + "ab".repeat(200)
              + "\n".repeat(90),
          "\u0000\u0001\u007f\u0080\ufeff\u200b\u00ad",
          "public static void main(String[] args) { return x != null ? 1 : 0; }\n");

  private static final int[][] RANGES = {
    {0x20, 0x7E},
    {0x20, 0x7E},
    {0x61, 0x7A},
    {0x61, 0x7A},
    {0x00, 0x1F},
    {0xA0, 0x17F},
    {0x300, 0x36F},
    {0x370, 0x52F},
    {0x5D0, 0x5EA},
    {0x620, 0x669},
    {0x904, 0x96F},
    {0xE01, 0xE59},
    {0x1100, 0x11FF},
    {0x1E00, 0x1FFC},
    {0x2000, 0x206F},
    {0x2070, 0x218B},
    {0x2190, 0x22FF},
    {0x3000, 0x30FF},
    {0x4E00, 0x4FFF},
    {0xAC00, 0xAFFF},
    {0xFB00, 0xFB4F},
    {0xFF00, 0xFFEF},
    {0x10400, 0x1044F},
    {0x1D400, 0x1D7FF},
    {0x1F300, 0x1F64F},
    {0x20000, 0x20100},
    {0xD800, 0xDFFF}
  };

  private static final String[] SNIPPETS = {
    "'s",
    "'\u017f",
    "'RE",
    "'ll",
    "'",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\u00a0",
    "\u3000",
    "\u2028",
    "the",
    " the",
    "ing",
    "return ",
    "();\n",
    "0",
    "42",
    "\u0663",
    "\ud83d\udc69\u200d\ud83d\udcbb",
    "\ud83c\uddeb\ud83c\uddf7",
    "e\u0301",
    "\u0327\u0301",
    "\u1112\u1161\u11ab",
    "<|im_end|>",
    "<|im_",
    "\u200d",
    "\ufe0f",
    "!!!",
    " {\n    ",
    "\ud800",
    "\u212a",
    "\u0130",
    "\ufb01"
  };

  private SampleTokenizer() {}

  /** A string of up to 40 random parts: snippets, and characters of many scripts. */
  static String randomText(Random random) {
    StringBuilder out = new StringBuilder();
    int range = random.nextInt(RANGES.length);
    for (int n = random.nextInt(40); n >= 0; n--) {
      if (random.nextInt(3) == 0) {
        out.append(SNIPPETS[random.nextInt(SNIPPETS.length)]);
      } else {
        if (random.nextInt(3) == 0) {
          range = random.nextInt(RANGES.length);
        }
        int[] r = RANGES[range];
        int c = r[0] + random.nextInt(r[1] - r[0] + 1);
        if (Character.isDefined(c)) {
          out.appendCodePoint(c);
        }
      }
    }
    return out.toString();
  }

  /** Text to train on: repeated words, code and a little of every script. */
  static List<String> corpus() {
    Random random = new Random(7);
    List<String> texts = new ArrayList<>(HARD_TEXTS);
    String[] words =
        ("the of and to in is that for it as was with be by on not he this are or his from at which"
                + " return public static final int String void class new if else while for null true"
                + " number special magic needle haystack \u00fcber caf\u00e9 \u043f\u0440\u0438\u0432\u0435\u0442"
                + " \u65e5\u672c\u8a9e \ud55c\uad6d\uc5b4 \ud83d\ude42")
            .split(" ");
    for (int i = 0; i < 300; i++) {
      StringBuilder line = new StringBuilder();
      for (int k = 0; k < 30; k++) {
        line.append(words[random.nextInt(words.length)]).append(k % 7 == 6 ? ".\n    " : " ");
      }
      texts.add(line.append(random.nextInt(10_000_000)).toString());
    }
    for (int i = 0; i < 100; i++) {
      texts.add(randomText(random));
    }
    return texts;
  }

  /** {@code tokenizer.json} of a vocabulary of 600 trained on {@link #corpus()}. */
  static String json() {
    return Holder.JSON;
  }

  private static final class Holder {
    static final String JSON =
        BpeTrainer.train(corpus(), 600, BpeTrainer.CHATML_TOKENS).tokenizerJson();
  }
}
