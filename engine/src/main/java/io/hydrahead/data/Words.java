package io.hydrahead.data;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Keys and values of the tasks: words of one {@link Split}, numbers, identifiers. */
public final class Words {
  private static final List<String> ADJECTIVES = load("adjectives.txt");
  private static final List<String> NOUNS = load("nouns.txt");
  private static final Map<Split, Words> ALL = new EnumMap<>(Split.class);
  private static final String[] ONSETS = {
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "br",
    "cl", "dr", "fl", "gr", "pl", "sh", "st", "tr", "th"
  };
  private static final String[] VOWELS = {"a", "e", "i", "o", "u", "ai", "ea", "oo"};
  private static final String[] CODAS = {"", "", "", "l", "m", "n", "r", "s", "t", "nd", "rk", "x"};
  private static final String[] FIRST_NAMES = {
    "Ada", "Alma", "Amir", "Anja", "Arno", "Bela", "Boris", "Carla", "Cyril", "Dana", "Dario",
    "Edith", "Elias", "Elsa", "Emil", "Enzo", "Esra", "Fabio", "Farah", "Felix", "Flora", "Frida",
    "Georg", "Gina", "Greta", "Hana", "Hugo", "Ida", "Igor", "Ines", "Ivan", "Jana", "Jonas",
    "Karim", "Kira", "Klara", "Lars", "Lea", "Leo", "Lina", "Luca", "Maja", "Marco", "Maria",
    "Milo", "Mina", "Nadia", "Nico", "Nina", "Nora", "Olga", "Omar", "Oscar", "Paula", "Pia",
    "Rafael", "Rita", "Rosa", "Samir", "Sara", "Simon", "Sofia", "Tara", "Theo", "Tilda", "Uma",
    "Vera", "Viktor", "Wanda", "Yara", "Yusuf", "Zoe"
  };

  static {
    for (Split s : Split.values()) {
      ALL.put(s, new Words(s));
    }
  }

  private final Split split;
  private final List<String> adjectives;
  private final List<String> nouns;
  private final List<String> plain;

  private Words(Split split) {
    this.split = split;
    adjectives = ADJECTIVES.stream().filter(w -> Split.ofWord(w) == split).toList();
    nouns = NOUNS.stream().filter(w -> Split.ofWord(w) == split).toList();
    Set<String> both = new LinkedHashSet<>(nouns);
    both.addAll(adjectives);
    plain = List.copyOf(both);
  }

  /** The words of one split. */
  public static Words of(Split split) {
    return ALL.get(split);
  }

  /** The split's single words of the lists. */
  public List<String> plain() {
    return plain;
  }

  /**
   * {@code n} different single words: of the lists where they suffice, with invented words among
   * them at the rate {@code invented}, and beyond the lists only invented ones.
   */
  public List<String> single(int n, double invented, Dice dice) {
    Set<String> out = new LinkedHashSet<>();
    while (out.size() < n) {
      boolean listed = out.size() < plain.size() / 2 && !dice.chance(invented);
      out.add(listed ? dice.pick(plain) : invent(dice));
    }
    return new ArrayList<>(out);
  }

  /** {@code n} different compounds {@code adjective-noun}, as RULER's keys are. */
  public List<String> compound(int n, Dice dice) {
    long listed = (long) adjectives.size() * nouns.size() / 2;
    Set<String> out = new LinkedHashSet<>();
    while (out.size() < n) {
      String first = out.size() < listed ? dice.pick(adjectives) : invent(dice);
      out.add(first + "-" + dice.pick(nouns));
    }
    return new ArrayList<>(out);
  }

  /** {@code n} different names of people, {@code First Last}. */
  public List<String> names(int n, Dice dice) {
    Set<String> out = new LinkedHashSet<>();
    while (out.size() < n) {
      String last = invent(dice);
      out.add(
          FIRST_NAMES[dice.below(FIRST_NAMES.length)]
              + " "
              + Character.toUpperCase(last.charAt(0))
              + last.substring(1));
    }
    return new ArrayList<>(out);
  }

  /** {@code n} different words of {@code letters} random letters from {@code first} on. */
  public List<String> letters(int n, int letters, char first, Dice dice) {
    Set<String> out = new LinkedHashSet<>();
    while (out.size() < n) {
      StringBuilder s = new StringBuilder();
      for (int i = 0; i < letters; i++) {
        s.append((char) (first + dice.below(26)));
      }
      if (mine(s.toString())) {
        out.add(s.toString());
      }
    }
    return new ArrayList<>(out);
  }

  /** {@code n} different invented words. */
  public List<String> invented(int n, Dice dice) {
    return single(n, 1, dice);
  }

  private String invent(Dice dice) {
    while (true) {
      StringBuilder s = new StringBuilder();
      int syllables = dice.chance(0.7) ? 2 : 3;
      for (int i = 0; i < syllables; i++) {
        s.append(ONSETS[dice.below(ONSETS.length)]).append(VOWELS[dice.below(VOWELS.length)]);
      }
      s.append(CODAS[dice.below(CODAS.length)]);
      if (mine(s.toString())) {
        return s.toString();
      }
    }
  }

  private boolean mine(String word) {
    return Split.ofWord(word) == split;
  }

  /**
   * How many different numbers of {@code digits} digits may be asked for: half of those there are.
   */
  int differentNumbers(int digits) {
    return (int) Math.min(Integer.MAX_VALUE, numbersThereAre(digits) / 2);
  }

  /** Numbers of few digits are too few to be divided among the splits. */
  private static boolean divided(int digits) {
    return digits >= 5;
  }

  /**
   * On the low side where they are divided, since a hash divides them only nearly by its shares.
   */
  private long numbersThereAre(int digits) {
    long all = 9 * lowest(digits);
    return divided(digits) ? (long) (0.98 * split.shareOfWords() * all) : all;
  }

  private static long lowest(int digits) {
    long low = 1;
    for (int i = 1; i < digits; i++) {
      low *= 10;
    }
    return low;
  }

  /**
   * {@code n} different numbers of exactly {@code digits} digits (1 to 18); of five digits and more
   * only those of the split.
   */
  public List<String> numbers(int n, int digits, Dice dice) {
    long low = lowest(digits);
    if (n > numbersThereAre(digits)) {
      throw new io.hydrahead.tensor.InputException(
          "there are no " + n + " different numbers of " + digits + " digits; use more digits");
    }
    Set<String> out = new LinkedHashSet<>();
    while (out.size() < n) {
      String number = Long.toString(low + Math.unsignedMultiplyHigh(dice.next(), 9 * low));
      if (!divided(digits) || mine(number)) {
        out.add(number);
      }
    }
    return new ArrayList<>(out);
  }

  /** {@code n} different random UUIDs of version 4. */
  public List<String> uuids(int n, Dice dice) {
    Set<String> out = new LinkedHashSet<>();
    while (out.size() < n) {
      long high = dice.next() & ~0xF000L | 0x4000L;
      long low = dice.next() & ~(3L << 62) | 1L << 63;
      String uuid = new java.util.UUID(high, low).toString();
      if (mine(uuid)) {
        out.add(uuid);
      }
    }
    return new ArrayList<>(out);
  }

  /** {@code n} different codes of eight hexadecimal digits. */
  public List<String> codes(int n, Dice dice) {
    Set<String> out = new LinkedHashSet<>();
    while (out.size() < n) {
      String code = java.util.HexFormat.of().toHexDigits((int) (dice.next() >>> 32));
      if (mine(code)) {
        out.add(code);
      }
    }
    return new ArrayList<>(out);
  }

  private static List<String> load(String name) {
    try (InputStream in = Words.class.getResourceAsStream(name)) {
      String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      return Arrays.stream(text.trim().split("\\s+")).distinct().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
