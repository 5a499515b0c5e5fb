package io.hydrahead.cuda;

import io.hydrahead.tensor.InputException;

/**
 * This machine, driver or GPU cannot do what was asked: no driver, a library missing, no such
 * device, memory taken by others, a kernel that does not compile. The message says why and what to
 * do.
 */
public class CudaUnavailableException extends InputException {
  private static final long serialVersionUID = 1L;

  private final String reason;

  public CudaUnavailableException(String message) {
    super(message);
    this.reason = getMessage();
  }

  /**
   * @param reason why it cannot be
   * @param fix what to do
   */
  public CudaUnavailableException(String reason, String fix) {
    super(reason + ": " + fix);
    this.reason = reason;
  }

  /** Why, without what to do, where the two can be told apart. */
  public String reason() {
    return reason;
  }
}
