package io.hydrahead.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * {@link Tensor#copyFrom(Tensor)}: bytes of a type are copied in bulk and types of floats converted
 * in bulk, wherever the two tensors lie; one by one go only types and column slices that no bulk
 * operation takes.
 */
final class TensorCopy {
  private TensorCopy() {}

  static void copy(Tensor from, Tensor to) {
    if (from.size() != to.size()) {
      throw new IllegalArgumentException(from.size() + " elements for " + to.size());
    }
    if (to.size() == 0) {
      return;
    }
    Memory memory = to.memory();
    if (from.dtype() == to.dtype()) {
      if (sameType(from, to)) {
        return;
      }
    } else if ((memory.host() ? from.memory() : memory).convert(from, to)) {
      return;
    } else if (!memory.host()) {
      Tensor converted = to.hostTensor(to.shape());
      copy(from, converted);
      copy(converted, to);
      return;
    }
    oneByOne(from.memory().host() ? from : from.onHost(), to);
  }

  private static void oneByOne(Tensor from, Tensor to) {
    boolean convert = from.dtype() != to.dtype();
    int bytes = to.dtype().bytes();
    for (long i = 0; i < to.size(); i++) {
      if (convert) {
        to.set(i, from.get(i));
      } else {
        MemorySegment.copy(from.segment(), from.at(i), to.segment(), to.at(i), bytes);
      }
    }
  }

  /**
   * Copies without conversion; false where elements must be gone through one by one on the host.
   */
  private static boolean sameType(Tensor from, Tensor to) {
    boolean dense = to.contiguous() && from.contiguous();
    if (to.memory() == from.memory()) {
      if (dense) {
        to.memory().copy(from.segment(), to.segment());
        return true;
      }
      if (from.dim(-1) == to.dim(-1)) {
        rows(from, to);
        return true;
      }
    }
    if (to.memory().host() && from.memory().host()) {
      if (dense) {
        to.memory().copy(from.segment(), to.segment());
      }
      return dense;
    }
    if (!from.contiguous()) {
      copy(spread(from), to);
    } else if (!to.contiguous()) {
      throw new IllegalArgumentException("cannot copy " + from + " into a column slice elsewhere");
    } else if (to.memory().host()) {
      from.memory().toHost(from.segment(), to.segment());
    } else if (from.memory().host()) {
      to.memory().fromHost(from.segment(), to.segment());
    } else {
      copy(from.onHost(), to);
    }
    return true;
  }

  private static void rows(Tensor from, Tensor to) {
    int b = to.dtype().bytes();
    long width = to.dim(-1);
    to.memory()
        .copyRows(
            from.segment(),
            0,
            from.rowStride() * b,
            to.segment(),
            0,
            to.rowStride() * b,
            width * b,
            to.size() / width);
  }

  /** A host copy of a column slice, through a copy of all the memory it spans. */
  private static Tensor spread(Tensor t) {
    MemorySegment span = Arena.ofAuto().allocate(t.segment().byteSize(), Tensor.ALIGNMENT);
    t.memory().toHost(t.segment(), span);
    Tensor dense = t.hostTensor(t.shape());
    dense.copyFrom(new Tensor(Memory.HOST, span, t.dtype(), t.shape(), t.rowStride()));
    return dense;
  }
}
