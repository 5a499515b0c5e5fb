package io.hydrahead.model;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A token of each of some replies was decoded. */
@Name("io.hydrahead.Decode")
@Label("Decode")
@Category("HydraHead")
@Description("One step that decoded a token of each of some texts")
@StackTrace(false)
final class DecodeEvent extends Event {
  @Label("Model")
  @Description("Layers, heads, how many of them are full")
  String model;

  @Label("Batch Size")
  @Description("Texts, each with one token")
  int batch;

  @Label("Context Tokens")
  @Description("Tokens that these texts have in all, after the step")
  long contextTokens;

  @Label("Prefill Tokens")
  @Description("Tokens of a prompt that the same step has read")
  int prefill;

  @Label("Cache Size")
  @Description("Bytes of keys, values and states in use, by all texts of the session or engine")
  @DataAmount
  long cacheBytes;

  /** The work is done, of which {@link #begin} said that it begins. */
  void done(HybridTransformer of, int texts, long context, int read, long bytes) {
    end();
    if (shouldCommit()) {
      model = of.label();
      batch = texts;
      contextTokens = context;
      prefill = read;
      cacheBytes = bytes;
      commit();
    }
  }
}
