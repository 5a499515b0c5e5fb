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
    super(oneLine(message));
  }

  /** Creates the error with the lower-level failure that revealed it. */
  public InputException(String message, Throwable cause) {
    super(oneLine(message), cause);
  }

  /** Names out of damaged files may hold anything: control characters become visible escapes. */
  private static String oneLine(String message) {
    if (message == null || message.chars().noneMatch(Character::isISOControl)) {
      return message;
    }
    StringBuilder out = new StringBuilder();
    message
        .chars()
        .forEach(c -> {
          if (Character.isISOControl(c)) {
            out.append(String.format("\\u%04x", c));
          } else {
            out.append((char) c);
          }
        });
    return out.toString();
  }
}
