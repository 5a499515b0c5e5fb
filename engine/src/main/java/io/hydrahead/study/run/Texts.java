package io.hydrahead.study.run;

import io.hydrahead.data.DataRecipe;
import io.hydrahead.json.Fields;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/** Data whose sources are open, each once for all workers of a process. */
final class Texts {
  private final Map<String, DataRecipe> open = new HashMap<>();

  /**
   * What {@code data} describes; others wait while its sources are opened.
   *
   * @param say takes what is to be known about the sources, the first time
   */
  synchronized DataRecipe open(Fields data, Consumer<String> say) {
    return open.computeIfAbsent(
        data.node().toString(),
        _ -> {
          DataRecipe d = DataRecipe.read(data);
          d.notices().forEach(say);
          return d;
        });
  }
}
