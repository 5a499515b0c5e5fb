package io.hydrahead.tokenizer;

import io.hydrahead.tensor.InputException;
import java.nio.charset.StandardCharsets;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;

/**
 * Learns byte-level merges: the most frequent pair of adjacent tokens becomes a token, again and
 * again (Sennrich et al., arXiv:1508.07909), counted incrementally. Text is cut as Qwen3 cuts it,
 * so digits stay single. Deterministic: ties go to the pair with the smaller ids.
 */
public final class BpeTrainer {
  /** End of document (also padding), start and end of a turn: ids 0, 1 and 2. */
  public static final List<String> CHATML_TOKENS =
      List.of("<|endoftext|>", "<|im_start|>", "<|im_end|>");

  private static final long MIN_COUNT = 2;

  private final Map<String, Integer> ids = new LinkedHashMap<>();
  private final List<String> tokens = new ArrayList<>();
  private final List<String[]> merges = new ArrayList<>();
  private final List<int[]> words = new ArrayList<>();
  private final List<long[]> wordCounts = new ArrayList<>();
  private final Map<Long, Pair> pairs = new HashMap<>();
  private final PriorityQueue<Candidate> queue = new PriorityQueue<>();

  private BpeTrainer() {}

  /**
   * Trains on {@code texts}. Occurrences of special tokens in them are not learnt from.
   *
   * @param vocabSize wanted number of tokens, special ones and the 256 bytes included; the result
   *     has fewer where no pair is left that occurs twice
   * @param specialTokens get the first ids, in order
   * @throws InputException if {@code vocabSize} has no room for them and the bytes
   */
  public static TokenizerFiles train(
      Iterable<String> texts, int vocabSize, List<String> specialTokens) {
    if (vocabSize < specialTokens.size() + 256) {
      throw new InputException(
          "a vocabulary of "
              + vocabSize
              + " is too small: "
              + specialTokens.size()
              + " special tokens and 256 bytes need "
              + (specialTokens.size() + 256));
    }
    BpeTrainer t = new BpeTrainer();
    specialTokens.forEach(t::addToken);
    if (t.tokens.size() != specialTokens.size()) {
      throw new InputException("a special token occurs twice in " + specialTokens);
    }
    char[] alphabet = new char[256];
    for (int b = 0; b < 256; b++) {
      alphabet[b] = ByteAlphabet.charOf(b);
    }
    Arrays.sort(alphabet);
    for (char c : alphabet) {
      t.addToken(String.valueOf(c));
    }
    t.readWords(countPieces(texts, specialTokens));
    t.learn(vocabSize);
    return new TokenizerFiles(specialTokens, t.tokens, t.merges);
  }

  private int addToken(String token) {
    Integer known = ids.putIfAbsent(token, tokens.size());
    if (known != null) {
      return known;
    }
    tokens.add(token);
    return tokens.size() - 1;
  }

  private static Map<String, long[]> countPieces(Iterable<String> texts, List<String> special) {
    Map<String, long[]> counts = new LinkedHashMap<>();
    Splitter splitter = ScannerSplitter.of(ScannerSplitter.QWEN).orElseThrow();
    Splitter.Pieces count =
        (text, from, to) ->
            counts.computeIfAbsent(new String(text, from, to - from), _ -> new long[1])[0]++;
    AddedTokenMatcher matcher =
        new AddedTokenMatcher(special.stream().map(s -> AddedToken.special(0, s)).toList(), s -> s);
    AddedTokenMatcher.Parts parts =
        new AddedTokenMatcher.Parts() {
          @Override
          public void text(char[] text, int from, int to) {
            String nfc =
                Normalizer.normalize(new String(text, from, to - from), Normalizer.Form.NFC);
            splitter.split(nfc.toCharArray(), 0, nfc.length(), count);
          }

          @Override
          public void token(AddedToken token) {}
        };
    for (String text : texts) {
      char[] chars = text.toCharArray();
      Tokenizer.replaceLoneSurrogates(chars);
      matcher.split(chars, 0, chars.length, true, parts);
    }
    return counts;
  }

  /** Where a pair occurs, and how often in all. */
  private static final class Pair {
    private long count;
    private int[] words = new int[4];
    private int size;

    void occursIn(int word) {
      if (size > 0 && words[size - 1] == word) {
        return;
      }
      if (size == words.length) {
        words = Arrays.copyOf(words, size * 2);
      }
      words[size++] = word;
    }
  }

  /** A pair with the count that it had when it was queued. */
  private record Candidate(long count, long key) implements Comparable<Candidate> {
    @Override
    public int compareTo(Candidate o) {
      return count != o.count ? Long.compare(o.count, count) : Long.compare(key, o.key);
    }
  }

  private static long key(int left, int right) {
    return (long) left << 32 | right;
  }

  private void readWords(Map<String, long[]> counts) {
    counts.forEach((piece, count) -> {
      byte[] bytes = piece.getBytes(StandardCharsets.UTF_8);
      if (bytes.length < 2) {
        return;
      }
      int[] word = new int[bytes.length];
      for (int i = 0; i < word.length; i++) {
        word[i] = ids.get(String.valueOf(ByteAlphabet.charOf(bytes[i] & 0xFF)));
      }
      words.add(word);
      wordCounts.add(count);
    });
    for (int w = 0; w < words.size(); w++) {
      int[] word = words.get(w);
      for (int i = 0; i + 1 < word.length; i++) {
        change(word[i], word[i + 1], w, wordCounts.get(w)[0]);
      }
    }
    pairs.forEach((key, pair) -> queue.add(new Candidate(pair.count, key)));
  }

  private void change(int left, int right, int word, long by) {
    Pair pair = pairs.computeIfAbsent(key(left, right), _ -> new Pair());
    pair.count += by;
    if (by > 0) {
      pair.occursIn(word);
    }
  }

  private void learn(int vocabSize) {
    while (tokens.size() < vocabSize && !queue.isEmpty()) {
      Candidate best = queue.poll();
      long count = pairs.get(best.key).count;
      if (count != best.count) {
        if (count >= MIN_COUNT) {
          queue.add(new Candidate(count, best.key)); // it has become rarer meanwhile
        }
        continue;
      }
      if (count < MIN_COUNT) {
        return;
      }
      merge((int) (best.key >>> 32), (int) best.key);
    }
  }

  private void merge(int left, int right) {
    String[] merge = {tokens.get(left), tokens.get(right)};
    merges.add(merge);
    int merged = addToken(merge[0] + merge[1]);
    Pair pair = pairs.get(key(left, right));
    Map<Long, Pair> grown = new HashMap<>();
    for (int k = 0; k < pair.size; k++) {
      mergeIn(pair.words[k], left, right, merged, grown);
    }
    pairs.remove(key(left, right));
    grown.remove(key(left, right));
    grown.forEach((key, p) -> queue.add(new Candidate(p.count, key)));
  }

  /** Replaces the pair in one word and counts what that changes; new pairs go to {@code grown}. */
  private void mergeIn(int w, int left, int right, int merged, Map<Long, Pair> grown) {
    int[] word = words.get(w);
    long count = wordCounts.get(w)[0];
    int n = 0;
    for (int i = 0; i < word.length; i++) {
      boolean here = i + 1 < word.length && word[i] == left && word[i + 1] == right;
      if (!here) {
        word[n++] = word[i];
        continue;
      }
      if (n > 0) {
        change(word[n - 1], left, w, -count);
        change(word[n - 1], merged, w, count);
        grown.put(key(word[n - 1], merged), pairs.get(key(word[n - 1], merged)));
      }
      if (i + 2 < word.length) {
        change(right, word[i + 2], w, -count);
        change(merged, word[i + 2], w, count);
        grown.put(key(merged, word[i + 2]), pairs.get(key(merged, word[i + 2])));
      }
      word[n++] = merged;
      i++;
    }
    if (n < word.length) {
      words.set(w, Arrays.copyOf(word, n));
    }
  }
}
