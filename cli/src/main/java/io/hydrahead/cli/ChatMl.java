package io.hydrahead.cli;

import io.hydrahead.tensor.InputException;
import io.hydrahead.tokenizer.Tokenizer;
import java.util.Arrays;

/**
 * ChatML: {@code <|im_start|>role\ncontent<|im_end|>\n}. What a person writes is never read as a
 * special token, so it cannot forge a turn.
 */
final class ChatMl {
  private static final String START = "<|im_start|>";
  private static final String END = "<|im_end|>";

  private final Tokenizer tokenizer;

  /**
   * @throws InputException if the tokenizer has not the tokens of ChatML
   */
  ChatMl(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
    for (String token : new String[] {START, END}) {
      if (!tokenizer.has(token)) {
        throw new InputException(
            "the tokenizer has no token '" + token + "': this is no chat model; use generate");
      }
    }
  }

  Tokenizer tokenizer() {
    return tokenizer;
  }

  /** The first turn, after an optional system message (null for none). */
  int[] opening(String system, String user) {
    int[] turn = turn(user);
    return system == null ? turn : join(message("system", system), turn);
  }

  /** A later turn: first the end of the model's own, which it was stopped at. */
  int[] next(String user) {
    return join(tokenizer.encode(END + "\n"), turn(user));
  }

  private int[] turn(String user) {
    return join(message("user", user), tokenizer.encode(START + "assistant\n"));
  }

  private int[] message(String role, String content) {
    return join(
        tokenizer.encode(START + role + "\n"),
        join(tokenizer.encode(content, false), tokenizer.encode(END + "\n")));
  }

  private static int[] join(int[] a, int[] b) {
    int[] all = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, all, a.length, b.length);
    return all;
  }
}
