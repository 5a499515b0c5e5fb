package io.hydrahead.server;

import java.util.UUID;

/** Names of answers, which nobody can guess. */
final class Ids {
  private Ids() {}

  static String next() {
    return UUID.randomUUID().toString().replace("-", "");
  }
}
