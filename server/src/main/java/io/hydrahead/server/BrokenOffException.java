package io.hydrahead.server;

import io.helidon.webserver.CloseConnectionException;

/** An answer that began as a success was no success: the connection closes without its end. */
final class BrokenOffException extends CloseConnectionException {
  private static final long serialVersionUID = 1L;

  BrokenOffException() {
    super("the answer is broken off");
  }
}
