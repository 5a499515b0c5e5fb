package io.hydrahead.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;

/**
 * Base of tests on a GPU: opens the device once a class and frees a test's tensors after it. Where
 * there is no GPU the tests are skipped, saying why; with {@code -Dhydrahead.gpu=required} they
 * fail instead.
 */
@Tag("gpu")
public abstract class CudaTesting {
  private static CudaDevice device;
  private Workspace workspace;

  @BeforeAll
  static void openDevice() {
    device = openOrSkip();
  }

  /** GPU 0; where there is none the test is skipped or fails, see above. */
  public static CudaDevice openOrSkip() {
    try {
      return CudaDevice.open(0);
    } catch (InputException e) {
      if ("required".equals(System.getProperty("hydrahead.gpu"))) {
        throw e;
      }
      return Assumptions.abort("no GPU here: " + e.getMessage());
    }
  }

  @AfterAll
  static void closeDevice() {
    if (device != null) {
      device.close();
      device = null;
    }
  }

  @BeforeEach
  void openWorkspace() {
    workspace = new Workspace(device.memory());
  }

  /** A test ends with a device that works and owes nothing. */
  @AfterEach
  void closeWorkspace() {
    device.synchronize();
    workspace.close();
    assertThat(device.memory().allocatedBytes()).as("bytes that the test left behind").isZero();
  }

  /** The device, opened once a class. */
  protected static CudaDevice device() {
    return device;
  }

  /** Fresh device memory, full of NaN, freed after the test. */
  protected Tensor empty(DType type, long... shape) {
    Tensor t = workspace.allocate(type, shape);
    if (t.bytes() > 0) {
      device.memory().fill(t.segment(), (byte) 0xFF);
    }
    return t;
  }

  /** A copy on the device. */
  protected Tensor upload(Tensor host) {
    return upload(host, host.dtype());
  }

  /** A copy on the device, rounded to {@code type}. */
  protected Tensor upload(Tensor host, DType type) {
    Tensor t = workspace.allocate(type, host.shape());
    t.copyFrom(host);
    return t;
  }

  /**
   * A copy on the device of a matrix, as columns of a wider matrix whose other columns are NaN.
   *
   * @param before columns to the left of it, {@code after} to the right
   */
  protected Tensor uploadWide(Tensor host, DType type, int before, int after) {
    Tensor slice = emptyWide(type, host.dim(0), host.dim(1), before, after);
    slice.copyFrom(upload(host, type));
    return slice;
  }

  /** Fresh columns of a wider matrix, all of it NaN. */
  protected Tensor emptyWide(DType type, long rows, long columns, int before, int after) {
    return empty(type, rows, before + columns + after).columns(before, columns);
  }

  /** A dense float32 copy on the host. */
  protected static Tensor download(Tensor t) {
    return Tensor.of(t.toFloats(), t.shape());
  }
}
