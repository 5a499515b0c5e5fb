package io.hydrahead.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The arguments of one launch site, written in order and then launched; the block is reused, so
 * launching allocates nothing:
 *
 * <pre>{@code
 * add.begin().pointer(x).pointer(y).integer(n).launch(blocks, 256, 0);
 * }</pre>
 *
 * <p>Count and size of the arguments are checked against the kernel's signature, where the driver
 * tells it. The driver copies the values at launch (or at capture into a graph).
 */
public final class LaunchArguments {
  /** Most arguments that a kernel can take here. */
  static final int MOST = 64;

  private static final int CLUSTER = 4;
  private static final int PROGRAMMATIC_SERIALIZATION = 6;
  private static final int ATTRIBUTE_BYTES = 72;
  private static final int CONFIGURATION_BYTES = 56;

  private final Kernel kernel;
  private final CudaDevice device;
  private final int[] sizes;

  /** Eight bytes an argument. */
  private final MemorySegment values;

  /** Where each argument is: its slot in {@link #values}, or a tensor map. */
  private final MemorySegment pointers;

  private int count;
  private MemorySegment configuration = MemorySegment.NULL;
  private MemorySegment attributes = MemorySegment.NULL;
  private int attributeCount;
  private boolean inSteps;

  LaunchArguments(Kernel kernel) {
    this.kernel = kernel;
    this.device = kernel.device();
    this.sizes = kernel.parameterSizes();
    int most = sizes.length == 0 ? MOST : sizes.length;
    Arena arena = Arena.ofAuto(); // as long as this block
    values = arena.allocate(JAVA_LONG, most);
    pointers = arena.allocate(JAVA_LONG, most);
  }

  /** Starts over with the first argument. */
  public LaunchArguments begin() {
    count = 0;
    return this;
  }

  /** Address of a tensor on the device. */
  public LaunchArguments pointer(Tensor t) {
    if (t.memory().host()) {
      throw new IllegalArgumentException(
          kernel
              + " takes tensors on "
              + device
              + ", argument "
              + count
              + " is "
              + t
              + " in "
              + t.memory());
    }
    return pointer(t.segment());
  }

  /** Address of a tensor on the device, or 0 for null. */
  public LaunchArguments pointerOrNull(Tensor t) {
    return t == null ? address(0) : pointer(t);
  }

  /**
   * Rows of {@code width} elements, dense or columns of a wider matrix: their address, then the
   * elements from one row to the next as a {@code long long}.
   */
  public LaunchArguments rows(Tensor t, long width) {
    return pointer(t).wide(CudaRows.stride(t, width));
  }

  /** Like {@link #rows}, or 0 and 0 for null. */
  public LaunchArguments rowsOrNull(Tensor t, long width) {
    return t == null ? address(0).wide(0) : rows(t, width);
  }

  /** Address of device memory. */
  public LaunchArguments pointer(MemorySegment s) {
    if (!s.scope().isAlive()) {
      throw new IllegalStateException("the owner of this memory is closed");
    }
    return address(s.address());
  }

  /** A device address. */
  public LaunchArguments address(long address) {
    values.setAtIndex(JAVA_LONG, next(8), address);
    return this;
  }

  /** A {@code long long}. */
  public LaunchArguments wide(long value) {
    values.setAtIndex(JAVA_LONG, next(8), value);
    return this;
  }

  /** An {@code int} or {@code unsigned}. */
  public LaunchArguments integer(int value) {
    values.set(JAVA_INT, 8L * next(4), value);
    return this;
  }

  /** A {@code float}. */
  public LaunchArguments real(float value) {
    values.set(JAVA_FLOAT, 8L * next(4), value);
    return this;
  }

  /** A {@code const __grid_constant__ CUtensorMap}. */
  public LaunchArguments map(TensorMap map) {
    int at = next(TensorMap.BYTES);
    pointers.setAtIndex(JAVA_LONG, at, map.segment().address());
    return this;
  }

  /** A struct by value; {@code value} must stay as it is until the launch. */
  public LaunchArguments struct(MemorySegment value) {
    int at = next(Math.toIntExact(value.byteSize()));
    pointers.setAtIndex(JAVA_LONG, at, value.address());
    return this;
  }

  private int next(int bytes) {
    int at = count++;
    if (sizes.length == 0 ? at >= MOST : at >= sizes.length || sizes[at] != bytes) {
      throw mismatch(at, bytes);
    }
    pointers.setAtIndex(JAVA_LONG, at, values.address() + 8L * at);
    return at;
  }

  private IllegalArgumentException mismatch(int at, int bytes) {
    return new IllegalArgumentException(
        kernel
            + (at < sizes.length
                ? ": parameter " + at + " has " + sizes[at] + " bytes, the argument " + bytes
                : " takes " + sizes.length + " arguments, there are more"));
  }

  /** Launches go in clusters of {@code x · y · z} blocks from now on. */
  public LaunchArguments cluster(int x, int y, int z) {
    MemorySegment a = attribute(CLUSTER);
    a.set(JAVA_INT, 8, x);
    a.set(JAVA_INT, 12, y);
    a.set(JAVA_INT, 16, z);
    return this;
  }

  /**
   * From now on the kernel may start while the one before it still runs; it must wait with {@code
   * griddepcontrol.wait} before it reads what that one writes.
   */
  public LaunchArguments overlapPrevious() {
    attribute(PROGRAMMATIC_SERIALIZATION).set(JAVA_INT, 8, 1);
    return this;
  }

  /**
   * The same where {@linkplain CudaDevice#overlapping steps} are recorded whose kernels all do so;
   * elsewhere the launch is a plain one.
   */
  public LaunchArguments overlapInSteps() {
    inSteps = true;
    return overlapPrevious();
  }

  /** The attribute of that kind, added if it is not there yet. */
  private MemorySegment attribute(int id) {
    if (configuration.address() == 0) {
      Arena arena = Arena.ofAuto();
      configuration = arena.allocate(CONFIGURATION_BYTES, 8);
      attributes = arena.allocate(2 * ATTRIBUTE_BYTES, 8);
      configuration.set(JAVA_LONG, 40, attributes.address());
    }
    for (int i = 0; i < attributeCount; i++) {
      MemorySegment a = attributes.asSlice((long) i * ATTRIBUTE_BYTES, ATTRIBUTE_BYTES);
      if (a.get(JAVA_INT, 0) == id) {
        return a;
      }
    }
    MemorySegment a =
        attributes.asSlice((long) attributeCount++ * ATTRIBUTE_BYTES, ATTRIBUTE_BYTES);
    a.set(JAVA_INT, 0, id);
    configuration.set(JAVA_INT, 48, attributeCount);
    return a;
  }

  /** Launches {@code blocks} blocks of {@code threads} threads. */
  public void launch(int blocks, int threads, int sharedBytes) {
    launch(blocks, 1, 1, threads, 1, 1, sharedBytes);
  }

  /** Launches a grid of blocks of {@code threads} threads. */
  public void launch(int gridX, int gridY, int gridZ, int threads, int sharedBytes) {
    launch(gridX, gridY, gridZ, threads, 1, 1, sharedBytes);
  }

  /**
   * Launches on the device's stream. A grid without blocks is no launch.
   *
   * @param sharedBytes dynamic shared memory a block
   */
  public void launch(
      int gridX, int gridY, int gridZ, int blockX, int blockY, int blockZ, int sharedBytes) {
    if (sizes.length != 0 && count != sizes.length) {
      throw new IllegalArgumentException(
          kernel + " takes " + sizes.length + " arguments, not " + count);
    }
    if (gridX == 0 || gridY == 0 || gridZ == 0) {
      return;
    }
    device.makeCurrent();
    kernel.grantShared(sharedBytes);
    try {
      if (attributeCount == 0 || inSteps && !device.overlaps()) {
        device
            .driver()
            .launch(
                kernel.handle(),
                gridX,
                gridY,
                gridZ,
                blockX,
                blockY,
                blockZ,
                sharedBytes,
                device.stream(),
                pointers.address());
      } else {
        configuration.setAtIndex(JAVA_INT, 0, gridX);
        configuration.setAtIndex(JAVA_INT, 1, gridY);
        configuration.setAtIndex(JAVA_INT, 2, gridZ);
        configuration.setAtIndex(JAVA_INT, 3, blockX);
        configuration.setAtIndex(JAVA_INT, 4, blockY);
        configuration.setAtIndex(JAVA_INT, 5, blockZ);
        configuration.setAtIndex(JAVA_INT, 6, sharedBytes);
        configuration.set(JAVA_LONG, 32, device.stream());
        device.driver().launchEx(configuration, kernel.handle(), pointers.address());
      }
      device.launched();
    } catch (CudaException e) {
      throw new CudaException(
          e.code(),
          "launch of %s, grid %d×%d×%d, block %d×%d×%d, %d bytes shared: %s"
              .formatted(
                  kernel,
                  gridX,
                  gridY,
                  gridZ,
                  blockX,
                  blockY,
                  blockZ,
                  sharedBytes,
                  e.getMessage()));
    }
  }
}
