package io.hydrahead.tensor;

/**
 * Something the user handed over is wrong: a file, a field, an option, a shape.
 *
 * <p>The message is one line that names the file or field, the value found, and the fix. The
 * command line prints it without a stack trace and ends with exit code 2; nothing may have been
 * written when it is thrown.
 */
public class InputException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  /** Creates the error from its one-line message. */
  public InputException(String message) {
    super(message);
  }

  /** Creates the error with the lower-level failure that revealed it. */
  public InputException(String message, Throwable cause) {
    super(message, cause);
  }
}
