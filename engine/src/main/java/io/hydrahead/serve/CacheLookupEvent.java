package io.hydrahead.serve;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A text was begun, whose beginning was looked for among the known prefixes. */
@Name("io.hydrahead.CacheLookup")
@Label("Cache Lookup")
@Category("HydraHead")
@Description("A text was begun, whose beginning was looked for among the known prefixes")
@StackTrace(false)
final class CacheLookupEvent extends Event {
  @Label("Model")
  @Description("Layers, heads, how many of them are full")
  String model;

  @Label("Prompt Tokens")
  int promptTokens;

  @Label("Cached Tokens")
  @Description("Of these, the ones that need not be read")
  int cachedTokens;

  @Label("Restored Tokens")
  @Description("Of these, the ones that another engine had saved")
  int restoredTokens;

  @Label("Cache Size")
  @Description("Bytes of keys, values and states in use, by texts and for later ones")
  @DataAmount
  long cacheBytes;
}
