package io.hydrahead.data;

/**
 * Which part of the data a word, a value, a wording or a block of text belongs to. The split is a
 * function of the text alone, so training, development, probe and test never share one, whatever
 * their seeds.
 */
public enum Split {
  TRAIN,
  /** What is looked at while choosing: learning rates, sizes, variants. */
  DEV,
  TEST,
  /** What the probe of heads reads. */
  PROBE;

  /** Words, values and wordings: 60% train, 5% development, 5% probe, 30% test. */
  public static Split ofWord(String word) {
    int p = percent(word);
    return p < 60 ? TRAIN : p < 65 ? DEV : p < 70 ? PROBE : TEST;
  }

  /** Share of the words, as {@link #ofWord} divides them. */
  double shareOfWords() {
    return switch (this) {
      case TRAIN -> 0.6;
      case DEV, PROBE -> 0.05;
      case TEST -> 0.3;
    };
  }

  /** Blocks of plain text: 96% train, 1% development, 1% probe, 2% test. */
  static Split ofBlock(String name) {
    int p = percent(name);
    return p < 96 ? TRAIN : p < 97 ? DEV : p < 98 ? PROBE : TEST;
  }

  /** Packages of source code: 90% train, 2% development, 2% probe, 6% test. */
  static Split ofPackage(String name) {
    int p = percent(name);
    return p < 90 ? TRAIN : p < 92 ? DEV : p < 94 ? PROBE : TEST;
  }

  private static int percent(String s) {
    long h = 0xCBF29CE484222325L;
    for (int i = 0; i < s.length(); i++) {
      h = (h ^ s.charAt(i)) * 0x100000001B3L;
    }
    return (int) Long.remainderUnsigned(Dice.mix(h), 100);
  }
}
