package io.hydrahead.ops.decode;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.hydrahead.ops.decode.TokenDecoder.Full;
import io.hydrahead.ops.decode.TokenDecoder.Layer;
import io.hydrahead.ops.decode.TokenDecoder.Linear;
import io.hydrahead.ops.decode.TokenDecoder.Model;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * What {@code decoder.cu} is told of the layers: its {@code Layer}, a parameter of most kernels.
 */
final class DecodeTables {
  /** Pointers, then ints. */
  private static final int POINTERS = 21;

  private static final int INTS = 16;
  private static final int LAYER_BYTES = POINTERS * 8 + INTS * 4;

  private final boolean gated;
  private final int headDim;
  private final int blocks;
  private final Workspace memory;
  private final MemorySegment[] layers;
  private final Tensor inverseFrequency;
  private int mostRows;
  private int mostKvHeads;
  private long partialFloats = 1;

  DecodeTables(Model m, List<Layer> all, int blocks, Workspace memory) {
    gated = m.gated();
    headDim = m.shape().headDim();
    this.blocks = blocks;
    this.memory = memory;
    layers = new MemorySegment[all.size()];
    for (int i = 0; i < layers.length; i++) {
      layers[i] = Arena.ofAuto().allocate(LAYER_BYTES, 8);
      write(all.get(i), layers[i]);
    }
    MemorySegment frequencies = Arena.ofAuto().allocate(JAVA_DOUBLE, m.inverseFrequency().length);
    MemorySegment.copy(
        m.inverseFrequency(), 0, frequencies, JAVA_DOUBLE, 0, m.inverseFrequency().length);
    inverseFrequency = upload(DType.F64, frequencies);
  }

  private Tensor upload(DType type, MemorySegment values) {
    Tensor t = memory.allocate(type, values.byteSize() / type.bytes());
    t.memory().fromHost(values, t.segment());
    return t;
  }

  private Tensor upload(int[] values) {
    MemorySegment s = Arena.ofAuto().allocate(JAVA_INT, Math.max(1, values.length));
    MemorySegment.copy(values, 0, s, JAVA_INT, 0, values.length);
    return upload(DType.I32, s);
  }

  private void write(Layer l, MemorySegment to) {
    Full f = l.full();
    Linear n = l.linear();
    int fullHeads = f == null ? 0 : f.heads().length;
    int linearHeads = n == null ? 0 : n.heads().length;
    int kvHeads = f == null ? 0 : f.keys().size(0);
    int rows = l.in().size(0);
    int splits = kvHeads == 0 ? 0 : Math.max(1, blocks / kvHeads);
    mostRows = Math.max(mostRows, rows);
    mostKvHeads = Math.max(mostKvHeads, kvHeads);
    partialFloats = Math.max(partialFloats, (long) fullHeads * splits * (headDim + 4));

    List<Tensor> pointers = new ArrayList<>();
    pointers.add(l.in());
    pointers.add(l.o());
    pointers.add(l.gateUp());
    pointers.add(l.down());
    pointers.add(l.inputNorm());
    pointers.add(l.postNorm());
    pointers.add(f == null ? null : f.qNorm());
    pointers.add(f == null ? null : f.kNorm());
    pointers.add(f == null ? null : f.zBias());
    pointers.add(n == null ? null : n.qNorm());
    pointers.add(n == null ? null : n.kNorm());
    pointers.add(n == null ? null : n.aLog());
    pointers.add(n == null ? null : n.dtBias());
    pointers.add(l.gamma());
    pointers.add(f == null ? null : upload(f.heads()));
    pointers.add(f == null ? null : upload(order(f)));
    pointers.add(f == null ? null : upload(starts(f, kvHeads)));
    pointers.add(n == null ? null : upload(n.heads()));
    pointers.add(f == null ? null : f.keys());
    pointers.add(f == null ? null : f.values());
    pointers.add(n == null ? null : n.state());
    for (int i = 0; i < POINTERS; i++) {
      Tensor t = pointers.get(i);
      to.set(JAVA_LONG, i * 8L, t == null ? 0 : t.segment().address());
    }
    int[] columns = columns(fullHeads, kvHeads, linearHeads);
    int[] ints = new int[INTS];
    ints[0] = rows;
    ints[1] = kvHeads;
    ints[2] = fullHeads;
    ints[3] = linearHeads;
    ints[4] = splits;
    System.arraycopy(columns, 0, ints, 5, columns.length);
    MemorySegment.copy(ints, 0, to, JAVA_INT, POINTERS * 8L, INTS);
  }

  /** Where q, k, v, z of the full and q, k, v, z, a, b of the linear heads begin. */
  private int[] columns(int full, int kv, int linear) {
    int d = headDim;
    int[] widths = {
      full * d,
      kv * d,
      kv * d,
      gated ? full * d : 0,
      linear * d,
      linear * d,
      linear * d,
      gated ? linear * d : 0,
      linear,
      linear
    };
    int[] out = new int[widths.length];
    for (int i = 1; i < out.length; i++) {
      out[i] = out[i - 1] + widths[i - 1];
    }
    return out;
  }

  /** Full heads by the KV head that they read. */
  private static int[] order(Full f) {
    return java.util.stream.IntStream.range(0, f.heads().length)
        .boxed()
        .sorted(java.util.Comparator.comparing(i -> f.kvOf()[i]))
        .mapToInt(Integer::intValue)
        .toArray();
  }

  private static int[] starts(Full f, int kvHeads) {
    int[] starts = new int[kvHeads + 1];
    for (int kv : f.kvOf()) {
      starts[kv + 1]++;
    }
    for (int i = 0; i < kvHeads; i++) {
      starts[i + 1] += starts[i];
    }
    return starts;
  }

  /** One each layer, on the host. */
  MemorySegment[] layers() {
    return layers;
  }

  Tensor inverseFrequency() {
    return inverseFrequency;
  }

  int mostRows() {
    return mostRows;
  }

  int mostKvHeads() {
    return mostKvHeads;
  }

  long partialFloats() {
    return partialFloats;
  }
}
