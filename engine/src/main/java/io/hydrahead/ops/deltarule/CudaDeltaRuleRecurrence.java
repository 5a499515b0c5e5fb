package io.hydrahead.ops.deltarule;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Inputs;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The delta rule token by token on a GPU: the decode step ({@code step.cu}), and whole texts of
 * heads that are not cut in chunks ({@code recurrence.cu}).
 */
final class CudaDeltaRuleRecurrence {
  private static final int THREADS = 128;
  private static final int MOST_KEYS = 256;

  /**
   * Value columns of a block of the decode step, where heads are few and where they fill the chip.
   */
  private static final int NARROW = 16;

  private static final int WIDE = 32;

  private final CudaDevice device;
  private Variant recurrence;
  private final List<Variant> steps = new ArrayList<>();

  /** A compiled kernel's launch site. */
  private record Variant(
      int keyDim, int valueDim, DType type, int columns, LaunchArguments arguments) {
    boolean is(Shape s, DType wanted, int wantedColumns) {
      return keyDim == s.keyDim()
          && valueDim == s.valueDim()
          && type == wanted
          && columns == wantedColumns;
    }
  }

  CudaDeltaRuleRecurrence(CudaDevice device) {
    this.device = device;
  }

  /**
   * All tokens of each sequence in turn.
   *
   * @param saved gets the state before each chunk, counted from the first token; or null
   */
  void run(Shape s, Inputs in, Tensor state, Tensor out, MemorySegment saved) {
    if (s.keyDim() > MOST_KEYS) {
      throw new IllegalArgumentException(
          "a head of the delta rule can have "
              + MOST_KEYS
              + " key dims on a GPU, not "
              + s.keyDim());
    }
    DType type = in.q().dtype();
    if (recurrence == null || !recurrence.is(s, type, 0)) {
      LaunchArguments arguments =
          device
              .module(CudaDeltaRuleRecurrence.class, "recurrence.cu", defines(s, type, 0))
              .kernel("gdn_recurrence")
              .arguments();
      recurrence = new Variant(s.keyDim(), s.valueDim(), type, 0, arguments);
    }
    LaunchArguments a = inputs(recurrence.arguments.begin(), s, in, state, out);
    if (saved == null) {
      a.address(0);
    } else {
      a.pointer(saved);
    }
    int lanes = s.keyDim() <= 32 ? 1 : s.keyDim() <= 64 ? 2 : s.keyDim() <= 128 ? 4 : 8;
    int columns = THREADS / lanes;
    a.integer(s.tokens())
        .integer(s.heads())
        .launch(Math.ceilDiv(s.valueDim(), columns), s.heads(), s.batch(), THREADS, 0);
  }

  /** One token of each sequence; false, and nothing done, if the kernel does not take the sizes. */
  boolean step(Shape s, Inputs in, Tensor slots, Tensor states, Tensor out) {
    DType type = in.q().dtype();
    int heads = s.batch() * s.heads();
    int columns = heads * (s.valueDim() / WIDE) >= 4 * device.multiprocessors() ? WIDE : NARROW;
    while (columns > 4 && s.valueDim() % columns != 0) {
      columns /= 2;
    }
    if (s.valueDim() % columns != 0 || !quads(in.v()) || !quads(out)) {
      return false;
    }
    long slot = (long) s.heads() * s.keyDim() * s.valueDim();
    inputs(stepSite(s, type, columns).begin(), s, in, states, out)
        .pointerOrNull(slots)
        .wide(slots == null ? slot : states.rowStride())
        .launch(s.valueDim() / columns, s.heads(), s.batch(), THREADS, 0);
    return true;
  }

  /** Layers and batches of different sizes take turns. */
  private LaunchArguments stepSite(Shape s, DType type, int columns) {
    for (int i = 0; i < steps.size(); i++) {
      if (steps.get(i).is(s, type, columns)) {
        return steps.get(i).arguments;
      }
    }
    LaunchArguments made =
        device
            .module(CudaDeltaRuleRecurrence.class, "step.cu", defines(s, type, columns))
            .kernel("gdn_step")
            .arguments()
            .overlapInSteps();
    steps.add(new Variant(s.keyDim(), s.valueDim(), type, columns, made));
    return made;
  }

  /** Whether four neighbours can be read at once. */
  private static boolean quads(Tensor t) {
    return t.segment().address() % 16 == 0 && t.rowStride() % 4 == 0;
  }

  private static LaunchArguments inputs(
      LaunchArguments a, Shape s, Inputs in, Tensor state, Tensor out) {
    long keys = (long) s.heads() * s.keyDim();
    long values = (long) s.heads() * s.valueDim();
    return a.rows(in.q(), keys)
        .rows(in.k(), keys)
        .rows(in.v(), values)
        .rows(in.g(), s.heads())
        .rows(in.beta(), s.heads())
        .pointer(state)
        .rows(out, values);
  }

  private static String[] defines(Shape s, DType type, int columns) {
    String bf16 = "-DBF16=" + (type == DType.BF16 ? 1 : 0);
    String keys = "-DKEY_DIM=" + s.keyDim();
    String values = "-DVALUE_DIM=" + s.valueDim();
    return columns == 0
        ? new String[] {bf16, keys, values}
        : new String[] {bf16, keys, values, "-DVALUE_COLUMNS=" + columns};
  }
}
