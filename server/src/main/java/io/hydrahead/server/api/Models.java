package io.hydrahead.server.api;

import java.util.List;

/** Bodies of {@code GET /v1/models}. */
public record Models(String object, List<Model> data) {
  /**
   * @param maxModelLen most tokens of prompt and reply
   */
  public record Model(String id, String object, long created, String ownedBy, int maxModelLen) {}
}
