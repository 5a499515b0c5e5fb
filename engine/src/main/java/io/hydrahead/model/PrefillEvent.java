package io.hydrahead.model;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A prompt, or a piece of one, was read. */
@Name("io.hydrahead.Prefill")
@Label("Prefill")
@Category("HydraHead")
@Description("Tokens of a prompt were read, in a batch together with tokens of replies")
@StackTrace(false)
final class PrefillEvent extends Event {
  @Label("Model")
  @Description("Layers, heads, how many of them are full")
  String model;

  @Label("Tokens")
  int tokens;

  @Label("Position")
  @Description("Tokens of the text that were known or read before")
  int position;

  @Label("Decoding")
  @Description("Other texts that decoded a token in the same step")
  int decoding;

  @Label("Cache Size")
  @Description("Bytes of keys, values and states in use, by all texts of the session or engine")
  @DataAmount
  long cacheBytes;

  /** The work is done, of which {@link #begin} said that it begins. */
  void done(HybridTransformer of, int read, int from, int others, long bytes) {
    end();
    if (shouldCommit()) {
      model = of.label();
      tokens = read;
      position = from;
      decoding = others;
      cacheBytes = bytes;
      commit();
    }
  }
}
