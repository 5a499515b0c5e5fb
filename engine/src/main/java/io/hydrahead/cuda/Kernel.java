package io.hydrahead.cuda;

/** A function that runs on the device. Launch it through its {@link #arguments()}. */
public final class Kernel {
  private static final int MAX_DYNAMIC_SHARED = 8;
  private static final int PREFERRED_CARVEOUT = 9;

  /** What a kernel may use without asking. */
  private static final int DEFAULT_SHARED = 48 << 10;

  private final CudaDevice device;
  private final long handle;
  private final String name;
  private final int[] parameterSizes;
  private int sharedGranted = DEFAULT_SHARED;

  Kernel(CudaDevice device, long handle, String name) {
    this.device = device;
    this.handle = handle;
    this.name = name;
    this.parameterSizes = device.driver().parameterSizes(handle);
  }

  /** A fresh block of arguments: one for each place that launches the kernel, kept there. */
  public LaunchArguments arguments() {
    return new LaunchArguments(this);
  }

  public CudaDevice device() {
    return device;
  }

  /** Blocks of this size that one multiprocessor can hold at a time. */
  public int blocksPerMultiprocessor(int threads, int sharedBytes) {
    device.makeCurrent();
    grantShared(sharedBytes);
    return device.driver().blocksPerMultiprocessor(handle, threads, sharedBytes);
  }

  /** Gives shared memory all of a multiprocessor's fast memory, so that more blocks fit. */
  public Kernel preferShared() {
    device.makeCurrent();
    device.driver().setFunctionAttribute(handle, PREFERRED_CARVEOUT, 100);
    return this;
  }

  /**
   * Raises the kernel's limit of dynamic shared memory to {@code bytes} if need be. Launching does
   * this by itself.
   *
   * @throws CudaUnavailableException if the device has less
   */
  void grantShared(int bytes) {
    if (bytes > sharedGranted) {
      if (bytes > device.maxSharedBytes()) {
        throw new CudaUnavailableException(
            name
                + " needs "
                + bytes
                + " bytes of shared memory a block, "
                + device.name()
                + " has "
                + device.maxSharedBytes()
                + ": take a smaller head dimension or another device");
      }
      device.driver().setFunctionAttribute(handle, MAX_DYNAMIC_SHARED, bytes);
      sharedGranted = bytes;
    }
  }

  long handle() {
    return handle;
  }

  /** Bytes of each parameter, or an empty array where the driver does not tell. */
  int[] parameterSizes() {
    return parameterSizes;
  }

  @Override
  public String toString() {
    return name;
  }
}
