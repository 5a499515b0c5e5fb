package io.hydrahead.tensor;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.atomic.LongAdder;

/**
 * An arena whose larger allocations lie in pages of 2 MiB where Linux gives them on request
 * (transparent huge pages in mode {@code madvise}, as distributions set them, or {@code always}). A
 * matrix read from memory once a token is bound by what the core can have under way at a time, and
 * looking up a small page every 4 KiB takes a fifth of that.
 *
 * <p>Allocations of {@link #LARGE} bytes and more are cut from chunks, whose pages are taken when
 * first touched; closing frees them all. Everything else, and everything on other systems, is the
 * standard shared arena's.
 */
final class LargePages implements Arena {
  private static final long LARGE = 1 << 20;
  private static final long CHUNK = 1 << 26;
  private static final long PAGE = 1 << 21;

  private static final int READ_WRITE = 3;
  private static final int PRIVATE_ANONYMOUS = 0x22;
  private static final int NO_FILE = -1;
  private static final int ADVICE_HUGE_PAGE = 14;

  /** The system's calls, or null where they are not known to be these. */
  private record Calls(MethodHandle map, MethodHandle unmap, MethodHandle advise) {
    static Calls find() {
      String machine = System.getProperty("os.arch");
      boolean known = machine.equals("amd64") || machine.equals("aarch64");
      if (!System.getProperty("os.name").equals("Linux") || !known) {
        return null;
      }
      return new Calls(
          function(
              "mmap",
              FunctionDescriptor.of(
                  ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG)),
          function("munmap", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG)),
          function("madvise", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT)));
    }

    private static MethodHandle function(String name, FunctionDescriptor type) {
      Linker linker = Linker.nativeLinker();
      SymbolLookup system = linker.defaultLookup();
      return linker.downcallHandle(system.find(name).orElseThrow(), type);
    }
  }

  private static final Calls CALLS = Calls.find();

  /** Of all arenas that are open. */
  private static final LongAdder ALLOCATED = new LongAdder();

  private final Arena shared = Arena.ofShared();

  /** What is left of the last chunk. */
  private MemorySegment rest = MemorySegment.NULL;

  private long allocated;

  /** Bytes that arenas which are open have handed out. */
  static long allocatedBytes() {
    return ALLOCATED.sum();
  }

  @Override
  public synchronized MemorySegment allocate(long bytes, long alignment) {
    MemorySegment taken = take(bytes, alignment);
    allocated += bytes;
    ALLOCATED.add(bytes);
    return taken;
  }

  private MemorySegment take(long bytes, long alignment) {
    boolean plain = CALLS == null || bytes < LARGE || alignment > PAGE;
    if (plain || !scope().isAlive()) { // which the shared arena refuses
      return shared.allocate(bytes, alignment);
    }
    long from = padding(rest.address(), alignment);
    if (rest.byteSize() - from < bytes) {
      MemorySegment chunk = chunk(Math.max(bytes, CHUNK));
      if (chunk == null) {
        return shared.allocate(bytes, alignment);
      }
      if (chunk.byteSize() - bytes < rest.byteSize()) {
        return chunk.asSlice(0, bytes);
      }
      rest = chunk;
      from = 0;
    }
    MemorySegment taken = rest.asSlice(from, bytes);
    rest = rest.asSlice(from + bytes);
    return taken;
  }

  private static long padding(long address, long alignment) {
    return -address & alignment - 1;
  }

  /** Fresh zeros from the start of a page, or null if the system has none for us. */
  private MemorySegment chunk(long bytes) {
    long mapped = Math.addExact(bytes, PAGE);
    try {
      MemorySegment at =
          (MemorySegment)
              CALLS.map.invokeExact(
                  MemorySegment.NULL, mapped, READ_WRITE, PRIVATE_ANONYMOUS, NO_FILE, 0L);
      if (at.address() == -1) {
        return null;
      }
      // Where it is refused, there are small pages, which do as well.
      int refused = (int) CALLS.advise.invokeExact(at, mapped, ADVICE_HUGE_PAGE);
      return at.reinterpret(mapped, shared, s -> unmap(s, mapped))
          .asSlice(padding(at.address(), PAGE), bytes);
    } catch (Throwable t) {
      throw new IllegalStateException(t);
    }
  }

  private static void unmap(MemorySegment s, long bytes) {
    try {
      int failed = (int) CALLS.unmap.invokeExact(s, bytes);
      assert failed == 0;
    } catch (Throwable t) {
      throw new IllegalStateException(t);
    }
  }

  @Override
  public MemorySegment.Scope scope() {
    return shared.scope();
  }

  @Override
  public synchronized void close() {
    shared.close();
    ALLOCATED.add(-allocated);
    allocated = 0;
  }
}
