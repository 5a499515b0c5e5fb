package io.hydrahead.server.engine;

import io.hydrahead.tokenizer.AddedToken;
import io.hydrahead.tokenizer.StreamingDecoder;
import io.hydrahead.tokenizer.Tokenizer;
import java.util.BitSet;
import java.util.List;

/**
 * The text of one reply as its tokens come, up to the first stop string, which is not part of it.
 * What may be the beginning of a stop string is held back until that is known. Special tokens have
 * no text.
 */
public final class ReplyText {
  private final StreamingDecoder decoder;
  private final BitSet special = new BitSet();
  private final List<String> stops;
  private final StringBuilder held = new StringBuilder();
  private boolean stopped;

  public ReplyText(Tokenizer tokenizer, List<String> stops) {
    this.decoder = tokenizer.streamingDecoder();
    this.stops = List.copyOf(stops);
    tokenizer.addedTokens().stream().filter(AddedToken::special).forEach(t -> special.set(t.id()));
  }

  /** The text that is certain with token {@code id}; nothing once stopped. */
  public String push(int id) {
    if (stopped || special.get(id)) {
      return "";
    }
    return take(decoder.push(id));
  }

  /** The rest, after the last token. */
  public String finish() {
    if (stopped) {
      return "";
    }
    String more = take(decoder.finish());
    String rest = more + held;
    held.setLength(0);
    return rest;
  }

  /** Whether a stop string has come. */
  public boolean stopped() {
    return stopped;
  }

  private String take(String piece) {
    held.append(piece);
    if (stops.isEmpty()) {
      return release(held.length());
    }
    int hit = Integer.MAX_VALUE;
    for (String stop : stops) {
      int at = held.indexOf(stop);
      hit = at >= 0 ? Math.min(hit, at) : hit;
    }
    if (hit < Integer.MAX_VALUE) {
      stopped = true;
      held.setLength(hit);
      return release(hit);
    }
    return release(held.length() - beginnings(held, stops));
  }

  /** How many characters at the end of {@code text} may begin one of {@code wanted}. */
  static int beginnings(StringBuilder text, List<String> wanted) {
    int most = 0;
    for (String w : wanted) {
      for (int n = Math.min(w.length() - 1, text.length()); n > most; n--) {
        if (w.startsWith(text.substring(text.length() - n))) {
          most = n;
        }
      }
    }
    return most;
  }

  private String release(int length) {
    String out = held.substring(0, length);
    held.delete(0, length);
    return out;
  }
}
