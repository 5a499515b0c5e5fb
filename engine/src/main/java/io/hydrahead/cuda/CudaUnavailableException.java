package io.hydrahead.cuda;

import io.hydrahead.tensor.InputException;

/**
 * This machine, driver or GPU cannot do what was asked: no driver, a library missing, no such
 * device, memory taken by others, a kernel that does not compile. The message says what to do.
 */
public class CudaUnavailableException extends InputException {
  private static final long serialVersionUID = 1L;

  public CudaUnavailableException(String message) {
    super(message);
  }
}
