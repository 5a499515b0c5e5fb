package io.hydrahead.serve;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** Known prefixes were saved, or restored. */
@Name("io.hydrahead.CacheFile")
@Label("Cache File")
@Category("HydraHead")
@Description("Prefixes that were known were saved to a file, or restored from one")
@StackTrace(false)
final class CacheFileEvent extends Event {
  @Label("Model")
  @Description("Layers, heads, how many of them are full")
  String model;

  @Label("Saved")
  @Description("Saved, or else restored")
  boolean saved;

  @Label("Tokens")
  int tokens;

  @Label("File Size")
  @DataAmount
  long bytes;

  /** The work is done, of which {@link #begin} said that it begins. */
  void done(String of, boolean wasSaved, int count, long size) {
    end();
    if (shouldCommit()) {
      model = of;
      saved = wasSaved;
      tokens = count;
      bytes = size;
      commit();
    }
  }
}
