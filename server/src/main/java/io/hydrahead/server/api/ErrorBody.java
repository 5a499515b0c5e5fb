package io.hydrahead.server.api;

import java.util.Optional;

/** Body of an error. */
public record ErrorBody(Details error) {
  /**
   * @param param JSON path of the field that is wrong
   */
  public record Details(
      String message, String type, Optional<String> param, Optional<String> code) {}
}
