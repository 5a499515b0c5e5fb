package io.hydrahead.cuda;

import static io.hydrahead.cuda.NativeCalls.call;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/**
 * The functions of the driver API that the engine calls, in the versions whose sizes are 64 bits
 * wide. Contexts, streams, events, modules and device memory are handles in longs. Every method
 * throws {@link CudaException} when the driver says no; what the caller should make of that is the
 * caller's business.
 */
final class Driver {
  static final int OUT_OF_MEMORY = 2;
  static final int DEVICE_UNAVAILABLE = 46;
  static final int NO_DEVICE = 100;
  static final int DRIVER_MISMATCH = 803;
  static final int COMPAT_NOT_SUPPORTED = 804;

  /** Of {@code cuStreamCreate}: no implicit waits for the legacy stream. */
  private static final int NON_BLOCKING = 1;

  /**
   * Of {@code cuStreamBeginCapture}: other threads, with devices of their own, are not restricted;
   * this one may not allocate, load or wait until the capture ends.
   */
  private static final int CAPTURE_THREAD_LOCAL = 1;

  private final NativeLibrary library;
  private final MemorySegment errorName;
  private final MemorySegment errorString;
  private final MemorySegment setCurrent;
  private final MemorySegment memGetInfo;
  private final MemorySegment copyToDevice;
  private final MemorySegment copyToHost;
  private final MemorySegment copyDevice;
  private final MemorySegment copy2d;
  private final MemorySegment memsetBytes;
  private final MemorySegment launchKernel;
  private final MemorySegment launchKernelEx;
  private final MemorySegment encodeTiled;
  private final MemorySegment graphLaunch;
  private final MemorySegment eventRecord;
  private final MemorySegment streamSynchronize;
  private final MemorySegment streamWaitEvent;

  /**
   * @throws CudaUnavailableException if the library lacks a function
   */
  Driver(NativeLibrary library) {
    this.library = library;
    errorName = library.function("cuGetErrorName");
    errorString = library.function("cuGetErrorString");
    setCurrent = library.function("cuCtxSetCurrent");
    memGetInfo = library.function("cuMemGetInfo_v2");
    copyToDevice = library.function("cuMemcpyHtoDAsync_v2");
    copyToHost = library.function("cuMemcpyDtoHAsync_v2");
    copyDevice = library.function("cuMemcpyDtoDAsync_v2");
    copy2d = library.function("cuMemcpy2DAsync_v2");
    memsetBytes = library.function("cuMemsetD8Async");
    launchKernel = library.function("cuLaunchKernel");
    launchKernelEx = library.functionOrNull("cuLaunchKernelEx");
    encodeTiled = library.functionOrNull("cuTensorMapEncodeTiled");
    graphLaunch = library.function("cuGraphLaunch");
    eventRecord = library.function("cuEventRecord");
    streamSynchronize = library.function("cuStreamSynchronize");
    streamWaitEvent = library.function("cuStreamWaitEvent");
  }

  // ------------------------------------------------------------------------------------ devices

  void init() {
    check("cuInit", call(library.function("cuInit"), 0));
  }

  /** The newest CUDA release that the driver understands: 1000 · major + 10 · minor. */
  int version() {
    return intOut("cuDriverGetVersion", at -> call(library.function("cuDriverGetVersion"), at));
  }

  int deviceCount() {
    return intOut("cuDeviceGetCount", at -> call(library.function("cuDeviceGetCount"), at));
  }

  int device(int ordinal) {
    return intOut("cuDeviceGet", at -> call(library.function("cuDeviceGet"), at, ordinal));
  }

  int attribute(int device, int attribute) {
    MemorySegment f = library.function("cuDeviceGetAttribute");
    return intOut("cuDeviceGetAttribute", at -> call(f, at, attribute, device));
  }

  String deviceName(int device) {
    try (Arena arena = Arena.ofConfined()) {
      int length = 256;
      MemorySegment text = arena.allocate(length);
      MemorySegment f = library.function("cuDeviceGetName");
      check("cuDeviceGetName", call(f, text.address(), length, device));
      return text.getString(0);
    }
  }

  // ------------------------------------------------------------------------------------ contexts

  long retainPrimaryContext(int device) {
    MemorySegment f = library.function("cuDevicePrimaryCtxRetain");
    return longOut("cuDevicePrimaryCtxRetain", at -> call(f, at, device));
  }

  void releasePrimaryContext(int device) {
    check(
        "cuDevicePrimaryCtxRelease",
        call(library.function("cuDevicePrimaryCtxRelease_v2"), device));
  }

  /** Makes the context the calling thread's. */
  void setCurrent(long context) {
    check("cuCtxSetCurrent", call(setCurrent, context));
  }

  // ------------------------------------------------------------------------------------ streams

  long createStream() {
    MemorySegment f = library.function("cuStreamCreate");
    return longOut("cuStreamCreate", at -> call(f, at, NON_BLOCKING));
  }

  void destroyStream(long stream) {
    check("cuStreamDestroy", call(library.function("cuStreamDestroy_v2"), stream));
  }

  void synchronize(long stream) {
    check("cuStreamSynchronize", call(streamSynchronize, stream));
  }

  /** An event; {@code timing} ones can tell the time between two of them. */
  long createEvent(boolean timing) {
    MemorySegment f = library.function("cuEventCreate");
    return longOut("cuEventCreate", at -> call(f, at, timing ? 0 : 2));
  }

  void destroyEvent(long event) {
    check("cuEventDestroy", call(library.function("cuEventDestroy_v2"), event));
  }

  void record(long event, long stream) {
    check("cuEventRecord", call(eventRecord, event, stream));
  }

  /** What is enqueued on {@code stream} from now on comes after {@code event}. */
  void await(long stream, long event) {
    check("cuStreamWaitEvent", call(streamWaitEvent, stream, event, 0));
  }

  void synchronizeEvent(long event) {
    check("cuEventSynchronize", call(library.function("cuEventSynchronize"), event));
  }

  float milliseconds(long from, long to) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_FLOAT);
      MemorySegment f = library.function("cuEventElapsedTime");
      check("cuEventElapsedTime", call(f, out.address(), from, to));
      return out.get(JAVA_FLOAT, 0);
    }
  }

  // ------------------------------------------------------------------------------------ memory

  /** What {@code cuMemGetInfo} tells. */
  record MemoryInfo(long free, long total) {}

  MemoryInfo memoryInfo() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_LONG, 2);
      check("cuMemGetInfo", call(memGetInfo, out.address(), out.address() + 8));
      return new MemoryInfo(out.getAtIndex(JAVA_LONG, 0), out.getAtIndex(JAVA_LONG, 1));
    }
  }

  long allocate(long bytes) {
    MemorySegment f = library.function("cuMemAlloc_v2");
    return longOut("cuMemAlloc", at -> call(f, at, bytes));
  }

  void free(long address) {
    check("cuMemFree", call(library.function("cuMemFree_v2"), address));
  }

  /** Page-locked host memory. */
  long allocateHost(long bytes) {
    MemorySegment f = library.function("cuMemHostAlloc");
    return longOut("cuMemHostAlloc", at -> call(f, at, bytes, 0));
  }

  void freeHost(long address) {
    check("cuMemFreeHost", call(library.function("cuMemFreeHost"), address));
  }

  void copyToDevice(long to, long from, long bytes, long stream) {
    check("cuMemcpyHtoDAsync", call(copyToDevice, to, from, bytes, stream));
  }

  void copyToHost(long to, long from, long bytes, long stream) {
    check("cuMemcpyDtoHAsync", call(copyToHost, to, from, bytes, stream));
  }

  void copyDevice(long to, long from, long bytes, long stream) {
    check("cuMemcpyDtoDAsync", call(copyDevice, to, from, bytes, stream));
  }

  /** A strided copy; {@code parameters} is a CUDA_MEMCPY2D. */
  void copy2d(MemorySegment parameters, long stream) {
    check("cuMemcpy2DAsync", call(copy2d, parameters.address(), stream));
  }

  void fillBytes(long address, byte value, long bytes, long stream) {
    check("cuMemsetD8Async", call(memsetBytes, address, value & 0xFF, bytes, stream));
  }

  // ------------------------------------------------------------------------------------ kernels

  long loadModule(MemorySegment image) {
    MemorySegment f = library.function("cuModuleLoadData");
    return longOut("cuModuleLoadData", at -> call(f, at, image.address()));
  }

  void unloadModule(long module) {
    check("cuModuleUnload", call(library.function("cuModuleUnload"), module));
  }

  long function(long module, String name) {
    MemorySegment f = library.function("cuModuleGetFunction");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocateFrom(name);
      return longOut("cuModuleGetFunction", at -> call(f, at, module, text.address()));
    }
  }

  void setFunctionAttribute(long function, int attribute, int value) {
    check(
        "cuFuncSetAttribute",
        call(library.function("cuFuncSetAttribute"), function, attribute, value));
  }

  /**
   * Bytes of each parameter of a kernel; empty with drivers before CUDA 12.4, which do not tell.
   */
  int[] parameterSizes(long function) {
    MemorySegment f = library.functionOrNull("cuFuncGetParamInfo");
    if (f.address() == 0) {
      return new int[0];
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_LONG, 2);
      int[] sizes = new int[LaunchArguments.MOST];
      int count = 0;
      while (count < sizes.length
          && call(f, function, (long) count, out.address(), out.address() + 8) == 0) {
        sizes[count++] = (int) out.getAtIndex(JAVA_LONG, 1);
      }
      return java.util.Arrays.copyOf(sizes, count);
    }
  }

  int blocksPerMultiprocessor(long function, int threads, long shared) {
    MemorySegment f = library.function("cuOccupancyMaxActiveBlocksPerMultiprocessor");
    return intOut(
        "cuOccupancyMaxActiveBlocksPerMultiprocessor",
        at -> call(f, at, function, threads, shared));
  }

  void launch(
      long function,
      int gridX,
      int gridY,
      int gridZ,
      int blockX,
      int blockY,
      int blockZ,
      int shared,
      long stream,
      long arguments) {
    check(
        "cuLaunchKernel",
        NativeCalls.launch(
            launchKernel,
            function,
            gridX,
            gridY,
            gridZ,
            blockX,
            blockY,
            blockZ,
            shared,
            stream,
            arguments,
            0));
  }

  /** {@code configuration} is a CUlaunchConfig. */
  void launchEx(MemorySegment configuration, long function, long arguments) {
    if (launchKernelEx.address() == 0) {
      throw new CudaUnavailableException(
          "this driver has no cuLaunchKernelEx: install one for CUDA 12 or newer");
    }
    check(
        "cuLaunchKernelEx", call(launchKernelEx, configuration.address(), function, arguments, 0L));
  }

  void encodeTiled(
      MemorySegment map,
      int type,
      int rank,
      long address,
      MemorySegment dims,
      MemorySegment strides,
      MemorySegment box,
      MemorySegment elementStrides,
      int swizzle,
      int promotion) {
    if (encodeTiled.address() == 0) {
      throw new CudaUnavailableException(
          "this driver has no cuTensorMapEncodeTiled: install one for CUDA 12 or newer");
    }
    check(
        "cuTensorMapEncodeTiled",
        NativeCalls.tensorMap(
            encodeTiled,
            map.address(),
            type,
            rank,
            address,
            dims.address(),
            strides.address(),
            box.address(),
            elementStrides.address(),
            0,
            swizzle,
            promotion,
            0));
  }

  // ------------------------------------------------------------------------------------ graphs

  void beginCapture(long stream) {
    check(
        "cuStreamBeginCapture",
        call(library.function("cuStreamBeginCapture_v2"), stream, CAPTURE_THREAD_LOCAL));
  }

  long endCapture(long stream) {
    MemorySegment f = library.function("cuStreamEndCapture");
    return longOut("cuStreamEndCapture", at -> call(f, stream, at));
  }

  /** Ends a capture whatever became of it. */
  void abandonCapture(long stream) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_LONG);
      int status = call(library.function("cuStreamEndCapture"), stream, out.address());
      if (status == 0 && out.get(JAVA_LONG, 0) != 0) {
        destroyGraph(out.get(JAVA_LONG, 0));
      }
    }
  }

  long graphNodes(long graph) {
    MemorySegment f = library.function("cuGraphGetNodes");
    return longOut("cuGraphGetNodes", at -> call(f, graph, 0L, at));
  }

  long instantiate(long graph) {
    MemorySegment f = library.function("cuGraphInstantiateWithFlags");
    return longOut("cuGraphInstantiate", at -> call(f, at, graph, 0L));
  }

  void launchGraph(long executable, long stream) {
    check("cuGraphLaunch", call(graphLaunch, executable, stream));
  }

  void destroyGraph(long graph) {
    check("cuGraphDestroy", call(library.function("cuGraphDestroy"), graph));
  }

  void destroyExecutable(long executable) {
    check("cuGraphExecDestroy", call(library.function("cuGraphExecDestroy"), executable));
  }

  // ------------------------------------------------------------------------------------ results

  private interface Out {
    int call(long address);
  }

  private int intOut(String what, Out f) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_INT);
      check(what, f.call(out.address()));
      return out.get(JAVA_INT, 0);
    }
  }

  private long longOut(String what, Out f) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_LONG);
      check(what, f.call(out.address()));
      return out.get(JAVA_LONG, 0);
    }
  }

  private void check(String what, int status) {
    if (status != 0) {
      throw new CudaException(status, what + ": " + describe(status));
    }
  }

  /** Name and meaning of a status, in the driver's words. */
  String describe(int status) {
    return text(errorName, status, "error " + status)
        + " ("
        + text(errorString, status, "unknown to this driver")
        + ")";
  }

  private static String text(MemorySegment f, int status, String otherwise) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_LONG);
      if (call(f, status, out.address()) != 0 || out.get(JAVA_LONG, 0) == 0) {
        return otherwise;
      }
      MemorySegment chars = MemorySegment.ofAddress(out.get(JAVA_LONG, 0)).reinterpret(4096);
      long length = 0;
      while (length < 4095 && chars.get(JAVA_BYTE, length) != 0) {
        length++;
      }
      return new String(chars.asSlice(0, length).toArray(JAVA_BYTE), StandardCharsets.UTF_8);
    }
  }
}
