package io.hydrahead.study.results;

import io.hydrahead.study.stats.Roles;
import java.util.List;

/** How arms look in the charts, the same in all of them. */
final class Looks {
  private final List<String> core;
  private final Roles roles;
  private final List<String> more;

  Looks(ResultsFolder folder) {
    roles = folder.roles();
    core = roles.core();
    more =
        roles.followed().stream()
            .filter(a -> !core.contains(a) && folder.cells().arms().contains(a))
            .toList();
  }

  /**
   * Place among the core arms; an arm on a curve with one of them looks as that does; behind them
   * come the other arms that C follows, each with a look of its own, and then all others.
   */
  int of(String arm) {
    if (core.contains(arm)) {
      return core.indexOf(arm);
    }
    for (List<String> line : roles.curves().values()) {
      if (line.contains(arm) && line.stream().anyMatch(core::contains)) {
        return ofLine(line);
      }
    }
    return core.size() + (more.contains(arm) ? more.indexOf(arm) : more.size());
  }

  /** Of the core arm on a line, as other charts show it. */
  int ofLine(List<String> arms) {
    return arms.stream()
        .filter(core::contains)
        .findFirst()
        .map(core::indexOf)
        .orElse(core.size() + more.size());
  }
}
