package io.hydrahead.model;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Where a pass gets its buffers from: memory of its own, or memory that layers take turns in. */
abstract class Buffers {
  private final DType activations;

  private Buffers(DType activations) {
    this.activations = activations;
  }

  abstract Tensor allocate(DType dtype, long... shape);

  /** Activations, in the type that the operations want. */
  final Tensor elements(long... shape) {
    return allocate(activations, shape);
  }

  final Tensor f32(long... shape) {
    return allocate(DType.F32, shape);
  }

  /** Memory that is kept: every request gets its own. */
  static Buffers own(Workspace workspace, DType activations) {
    return new Buffers(activations) {
      @Override
      Tensor allocate(DType dtype, long... shape) {
        return workspace.allocate(dtype, shape);
      }
    };
  }

  /**
   * Memory in which layers take turns: after {@link #restart} the same slots are handed out again,
   * in the order of the requests, and grow when a later request needs more.
   */
  static final class Overlay extends Buffers {
    private final Workspace workspace;
    private final List<MemorySegment> slots = new ArrayList<>();
    private int next;

    Overlay(Workspace workspace, DType activations) {
      super(activations);
      this.workspace = workspace;
    }

    /** The next layer takes its turn; what earlier layers left will be overwritten. */
    Overlay restart() {
      return restart(0);
    }

    /** Like {@link #restart()}, keeping the first {@code mark} slots out of it. */
    Overlay restart(int mark) {
      next = mark;
      return this;
    }

    /** Slots taken so far. */
    int mark() {
      return next;
    }

    @Override
    Tensor allocate(DType dtype, long... shape) {
      long bytes = dtype.bytes();
      for (long s : shape) {
        bytes = Math.multiplyExact(bytes, s);
      }
      if (next == slots.size()) {
        slots.add(workspace.allocate(DType.U8, bytes).segment());
      } else if (slots.get(next).byteSize() < bytes) {
        slots.set(next, workspace.allocate(DType.U8, bytes).segment());
      }
      return Tensor.of(workspace.memory(), slots.get(next++).asSlice(0, bytes), dtype, shape);
    }
  }
}
