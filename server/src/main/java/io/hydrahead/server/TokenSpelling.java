package io.hydrahead.server;

import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.server.api.ChatCompletion.Alternative;
import io.hydrahead.server.api.ChatCompletion.TokenLogprob;
import io.hydrahead.tokenizer.Tokenizer;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** How single tokens are written in log-probabilities. */
final class TokenSpelling {
  private final Tokenizer tokenizer;

  TokenSpelling(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** The token's text, or {@code bytes:\xe2\x80…} where its bytes are no whole characters. */
  String text(int id) {
    byte[] bytes = tokenizer.tokenBytes(id);
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      StringBuilder out = new StringBuilder("bytes:");
      for (byte b : bytes) {
        out.append(String.format(Locale.ROOT, "\\x%02x", b & 0xFF));
      }
      return out.toString();
    }
  }

  private List<Integer> bytes(int id) {
    List<Integer> out = new ArrayList<>();
    for (byte b : tokenizer.tokenBytes(id)) {
      out.add(b & 0xFF);
    }
    return out;
  }

  /** As chats have it. */
  TokenLogprob chat(TokenLogprobs t) {
    List<Alternative> top = new ArrayList<>();
    for (int i = 0; i < t.topIds().length; i++) {
      int id = t.topIds()[i];
      top.add(new Alternative(text(id), finite(t.topLogprobs()[i]), bytes(id)));
    }
    return new TokenLogprob(text(t.id()), finite(t.logprob()), bytes(t.id()), top);
  }

  /** As completions have it: the most likely tokens, and this one if it is none of them. */
  Map<String, Float> completion(TokenLogprobs t) {
    Map<String, Float> out = new LinkedHashMap<>();
    for (int i = 0; i < t.topIds().length; i++) {
      out.putIfAbsent(text(t.topIds()[i]), finite(t.topLogprobs()[i]));
    }
    out.putIfAbsent(text(t.id()), finite(t.logprob()));
    return out;
  }

  /** JSON has no −∞; OpenAI writes −9999 instead. */
  static float finite(float logprob) {
    return Math.max(logprob, -9999f);
  }
}
