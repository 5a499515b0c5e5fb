package io.hydrahead.cuda;

/** A call of the driver, NVRTC or cuBLASLt failed although the device was open and working. */
public class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final int code;

  /**
   * @param code what the library returned, 0 if the fault is the caller's
   */
  public CudaException(int code, String message) {
    super(message);
    this.code = code;
  }

  /** What the library returned. */
  public int code() {
    return code;
  }
}
