package io.hydrahead.data;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A reversible tokenizer for tests: stretches of up to four letters, single digits, the rest. */
public final class ToyCodec implements TextCodec {
  private static final Pattern TOKEN =
      Pattern.compile(
          "<\\|endoftext\\|>|\\d| ?\\p{L}{1,4}|[^\\s\\p{L}\\d]{1,2}|\\s|.", Pattern.DOTALL);

  private final Map<String, Integer> ids = new HashMap<>();
  private final List<String> tokens = new ArrayList<>();

  @Override
  public synchronized int[] encode(String text) {
    List<Integer> out = new ArrayList<>();
    Matcher m = TOKEN.matcher(text);
    while (m.find()) {
      out.add(
          ids.computeIfAbsent(
              m.group(),
              t -> {
                tokens.add(t);
                return tokens.size() - 1;
              }));
    }
    return out.stream().mapToInt(i -> i).toArray();
  }

  @Override
  public synchronized String decode(int[] given) {
    StringBuilder out = new StringBuilder();
    for (int id : given) {
      out.append(tokens.get(id));
    }
    return out.toString();
  }

  @Override
  public int vocabSize() {
    return 1024;
  }
}
