package io.hydrahead.serve;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** Known prefixes made room. */
@Name("io.hydrahead.CacheEviction")
@Label("Cache Eviction")
@Category("HydraHead")
@Description("Prefixes that were known made room")
@StackTrace(false)
final class CacheEvictionEvent extends Event {
  @Label("Model")
  @Description("Layers, heads, how many of them are full")
  String model;

  @Label("Tokens")
  @Description("Whose keys and values were given up")
  int tokens;

  @Label("Snapshots")
  @Description("Copies of recurrent states that were given up")
  int snapshots;

  @Label("Freed")
  @DataAmount
  long bytes;
}
