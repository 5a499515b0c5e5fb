package io.hydrahead.server;

import io.helidon.webserver.CloseConnectionException;

/** The client has closed the connection: nobody is there to be told anything. */
final class ClientGoneException extends CloseConnectionException {
  private static final long serialVersionUID = 1L;

  ClientGoneException(Exception cause) {
    super("the client has closed the connection", cause);
  }
}
