package io.hydrahead.cli;

import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.Sampler;
import io.hydrahead.model.Session;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tokenizer.StreamingDecoder;
import io.hydrahead.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.CancellationException;
import java.util.function.Predicate;

/**
 * One reply of a model.
 *
 * @param ids tokens of the reply, without the one that ended it
 * @param finish {@code "stop"} at an end token, {@code "length"} at the limit, {@code "unread"}
 *     where nobody takes the text any more
 */
record Reply(
    String text,
    int[] ids,
    String finish,
    int promptTokens,
    double prefillSeconds,
    double decodeSeconds) {

  private static final int PIECE = 512;

  /** What a reply is made with. */
  record Voice(ModelConfig config, Tokenizer tokenizer, Sampler sampler) {}

  /**
   * Reads {@code prompt} into {@code session} and continues it.
   *
   * @param limit most tokens of the reply
   * @param sink gets the text as it comes; false if it cannot pass it on
   * @throws CancellationException when the user interrupts before the first token
   */
  static Reply make(
      Session session,
      int[] prompt,
      Voice voice,
      int limit,
      Progress progress,
      Predicate<String> sink) {
    long start = System.nanoTime();
    Tensor logits = prefill(session, prompt, progress);
    long read = System.nanoTime();
    StreamingDecoder decoder = voice.tokenizer().streamingDecoder();
    StringBuilder text = new StringBuilder();
    int[] ids = new int[limit];
    int n = 0;
    String finish = "length";
    Interrupts.pollingBegins();
    try {
      while (n < limit && !progress.cancelled()) {
        int id = voice.sampler().next(logits);
        if (voice.config().eosTokenIds().contains(id)) {
          finish = "stop";
          break;
        }
        ids[n++] = id;
        if (!emit(decoder.push(id), text, sink)) {
          finish = "unread";
          break;
        }
        if (n < limit) {
          logits = session.decode(id);
        }
      }
    } finally {
      Interrupts.pollingEnds();
    }
    if (!finish.equals("unread") && !emit(decoder.finish(), text, sink)) {
      finish = "unread";
    }
    return new Reply(
        text.toString(),
        Arrays.copyOf(ids, n),
        progress.cancelled() ? "interrupted" : finish,
        prompt.length,
        (read - start) / 1e9,
        (System.nanoTime() - read) / 1e9);
  }

  private static boolean emit(String piece, StringBuilder text, Predicate<String> sink) {
    text.append(piece);
    return piece.isEmpty() || sink.test(piece);
  }

  /** Whether the text stopped because nobody takes it. */
  boolean unread() {
    return finish.equals("unread");
  }

  private static Tensor prefill(Session session, int[] prompt, Progress progress) {
    progress.begin("reading the prompt", prompt.length, "tokens");
    Tensor logits = null;
    for (int i = 0; i < prompt.length; i += PIECE) {
      progress.throwIfCancelled();
      int end = Math.min(prompt.length, i + PIECE);
      logits = session.prefill(Arrays.copyOfRange(prompt, i, end));
      progress.advance(end, "");
    }
    progress.end();
    return logits;
  }

  /** One line of speeds for stderr. */
  String speeds() {
    return String.format(
        Locale.ROOT,
        "[prompt %s at %s/s; reply %s at %s/s; %s]",
        Table.counted(promptTokens, "token"),
        rate(promptTokens / Math.max(prefillSeconds, 1e-9)),
        Table.counted(ids.length, "token"),
        rate(ids.length / Math.max(decodeSeconds, 1e-9)),
        finish);
  }

  private static String rate(double tokens) {
    return String.format(Locale.ROOT, tokens < 100 ? "%.1f" : "%,.0f", tokens);
  }
}
