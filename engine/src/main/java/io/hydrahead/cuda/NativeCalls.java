package io.hydrahead.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Calls of C functions that return an int, one overload for each list of argument types. Pointers
 * and sizes are longs, so that no call allocates. The handles are of shapes, not of functions:
 * constants, which the compiler inlines, while the functions belong to whoever loaded the library.
 */
final class NativeCalls {
  private static final MethodHandle NONE = shape("");
  private static final MethodHandle I = shape("I");
  private static final MethodHandle L = shape("L");
  private static final MethodHandle LI = shape("LI");
  private static final MethodHandle IL = shape("IL");
  private static final MethodHandle LL = shape("LL");
  private static final MethodHandle LII = shape("LII");
  private static final MethodHandle LIL = shape("LIL");
  private static final MethodHandle LLI = shape("LLI");
  private static final MethodHandle LLL = shape("LLL");
  private static final MethodHandle LILL = shape("LILL");
  private static final MethodHandle LILLL = shape("LILLL");
  private static final MethodHandle LLIL = shape("LLIL");
  private static final MethodHandle LLLL = shape("LLLL");
  private static final MethodHandle LLLILL = shape("LLLILL");
  private static final MethodHandle HEURISTIC = shape("LLLLLLLILL");
  private static final MethodHandle LAUNCH = shape("LIIIIIIILLL");
  private static final MethodHandle TENSOR_MAP = shape("LIILLLLLIIII");
  private static final MethodHandle MATMUL = shape("LLLLLLLLLLLLLLLL");

  private NativeCalls() {}

  private static MethodHandle shape(String arguments) {
    MemoryLayout[] layouts = new MemoryLayout[arguments.length()];
    for (int i = 0; i < layouts.length; i++) {
      layouts[i] = arguments.charAt(i) == 'I' ? JAVA_INT : JAVA_LONG;
    }
    return Linker.nativeLinker().downcallHandle(FunctionDescriptor.of(JAVA_INT, layouts));
  }

  static int call(MemorySegment f) {
    try {
      return (int) NONE.invokeExact(f);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, int a) {
    try {
      return (int) I.invokeExact(f, a);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, long a) {
    try {
      return (int) L.invokeExact(f, a);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, long a, int b) {
    try {
      return (int) LI.invokeExact(f, a, b);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, int a, long b) {
    try {
      return (int) IL.invokeExact(f, a, b);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, long a, long b) {
    try {
      return (int) LL.invokeExact(f, a, b);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, long a, int b, int c) {
    try {
      return (int) LII.invokeExact(f, a, b, c);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, long a, int b, long c) {
    try {
      return (int) LIL.invokeExact(f, a, b, c);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, long a, long b, int c) {
    try {
      return (int) LLI.invokeExact(f, a, b, c);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, long a, long b, long c) {
    try {
      return (int) LLL.invokeExact(f, a, b, c);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, long a, int b, long c, long d) {
    try {
      return (int) LILL.invokeExact(f, a, b, c, d);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, long a, long b, int c, long d) {
    try {
      return (int) LLIL.invokeExact(f, a, b, c, d);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, long a, long b, long c, long d) {
    try {
      return (int) LLLL.invokeExact(f, a, b, c, d);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, long a, long b, long c, int d, long e, long g) {
    try {
      return (int) LLLILL.invokeExact(f, a, b, c, d, e, g);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  static int call(MemorySegment f, long a, int b, long c, long d, long e) {
    try {
      return (int) LILLL.invokeExact(f, a, b, c, d, e);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  /** {@code cublasLtMatmulAlgoGetHeuristic}. */
  static int heuristic(
      MemorySegment f,
      long handle,
      long description,
      long a,
      long b,
      long c,
      long d,
      long preference,
      int requested,
      long results,
      long returned) {
    try {
      return (int)
          HEURISTIC.invokeExact(
              f, handle, description, a, b, c, d, preference, requested, results, returned);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  /** {@code cublasLtMatmul}: D = alpha op(A) op(B) + beta C. */
  static int matmul(
      MemorySegment f,
      long handle,
      long description,
      long alpha,
      long a,
      long layoutA,
      long b,
      long layoutB,
      long beta,
      long c,
      long layoutC,
      long d,
      long layoutD,
      long algorithm,
      long workspace,
      long workspaceBytes,
      long stream) {
    try {
      return (int)
          MATMUL.invokeExact(
              f,
              handle,
              description,
              alpha,
              a,
              layoutA,
              b,
              layoutB,
              beta,
              c,
              layoutC,
              d,
              layoutD,
              algorithm,
              workspace,
              workspaceBytes,
              stream);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  /** {@code cuLaunchKernel}. */
  static int launch(
      MemorySegment f,
      long kernel,
      int gridX,
      int gridY,
      int gridZ,
      int blockX,
      int blockY,
      int blockZ,
      int shared,
      long stream,
      long arguments,
      long extra) {
    try {
      return (int)
          LAUNCH.invokeExact(
              f, kernel, gridX, gridY, gridZ, blockX, blockY, blockZ, shared, stream, arguments,
              extra);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  /** {@code cuTensorMapEncodeTiled}. */
  static int tensorMap(
      MemorySegment f,
      long map,
      int type,
      int rank,
      long address,
      long dims,
      long strides,
      long box,
      long elementStrides,
      int interleave,
      int swizzle,
      int promotion,
      int fill) {
    try {
      return (int)
          TENSOR_MAP.invokeExact(
              f,
              map,
              type,
              rank,
              address,
              dims,
              strides,
              box,
              elementStrides,
              interleave,
              swizzle,
              promotion,
              fill);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  /** What to throw for something that a method handle threw. */
  private static RuntimeException failed(Throwable t) {
    if (t instanceof Error e) {
      throw e;
    }
    return t instanceof RuntimeException e ? e : new IllegalStateException(t);
  }
}
