package io.hydrahead.cuda;

import java.util.HashMap;
import java.util.Map;

/** The kernels of one source compiled with one set of options, loaded on one device. */
public final class CudaModule {
  private final CudaDevice device;
  private final long handle;
  private final String name;
  private final Map<String, Kernel> kernels = new HashMap<>();

  CudaModule(CudaDevice device, long handle, String name) {
    this.device = device;
    this.handle = handle;
    this.name = name;
  }

  /**
   * The {@code extern "C" __global__} function of that name.
   *
   * @throws IllegalArgumentException if the source has none
   */
  public Kernel kernel(String function) {
    return kernels.computeIfAbsent(function, this::find);
  }

  private Kernel find(String function) {
    device.makeCurrent();
    try {
      return new Kernel(device, device.driver().function(handle, function), function);
    } catch (CudaException e) {
      throw new IllegalArgumentException(name + " has no kernel " + function, e);
    }
  }

  void unload() {
    device.driver().unloadModule(handle);
  }

  @Override
  public String toString() {
    return name;
  }
}
