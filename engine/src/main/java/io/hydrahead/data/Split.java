package io.hydrahead.data;

/**
 * Which part of the data a word or a block of text belongs to. The split is a function of the text
 * alone, so training, development and test never share a key word, whatever their seeds.
 */
public enum Split {
  TRAIN,
  DEV,
  TEST;

  /** Words: 60% train, 10% development, 30% test. */
  public static Split ofWord(String word) {
    int p = percent(word);
    return p < 60 ? TRAIN : p < 70 ? DEV : TEST;
  }

  /** Blocks of plain text: 96% train, 2% development, 2% test. */
  static Split ofBlock(String name) {
    int p = percent(name);
    return p < 96 ? TRAIN : p < 98 ? DEV : TEST;
  }

  private static int percent(String s) {
    long h = 0xCBF29CE484222325L;
    for (int i = 0; i < s.length(); i++) {
      h = (h ^ s.charAt(i)) * 0x100000001B3L;
    }
    return (int) Long.remainderUnsigned(Dice.mix(h), 100);
  }
}
