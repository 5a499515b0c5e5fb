package io.hydrahead.model;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Where a pass gets its float32 buffers from: memory of its own, or memory that layers take turns
 * in.
 */
interface Buffers {
  Tensor f32(long... shape);

  /** Memory that is kept: every request gets its own. */
  static Buffers own(Workspace workspace) {
    return workspace::f32;
  }

  /**
   * Memory in which layers take turns: after {@link #restart} the same slots are handed out again,
   * in the order of the requests, and grow when a later request needs more.
   */
  final class Overlay implements Buffers {
    private final Workspace workspace;
    private final List<MemorySegment> slots = new ArrayList<>();
    private int next;

    Overlay(Workspace workspace) {
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
    public Tensor f32(long... shape) {
      long bytes = 4;
      for (long s : shape) {
        bytes = Math.multiplyExact(bytes, s);
      }
      if (next == slots.size()) {
        slots.add(workspace.allocate(DType.U8, bytes).segment());
      } else if (slots.get(next).byteSize() < bytes) {
        slots.set(next, workspace.allocate(DType.U8, bytes).segment());
      }
      return Tensor.of(workspace.memory(), slots.get(next++).asSlice(0, bytes), DType.F32, shape);
    }
  }
}
