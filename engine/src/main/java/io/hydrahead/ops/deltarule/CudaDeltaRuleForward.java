package io.hydrahead.ops.deltarule;

import static io.hydrahead.cuda.CudaRows.alignedRows;
import static io.hydrahead.ops.CudaScratch.padded;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.cuda.TensorMap;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Inputs;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Forward pass of the gated delta rule over whole texts on a GPU: the chunked kernels for bf16
 * heads ({@code prepare.cu}, then {@code chunks_hopper.cu} or {@code chunks.cu}, with {@code
 * combine.cu} where the text is cut into segments), the recurrence for all others.
 */
final class CudaDeltaRuleForward {
  private static final int CHUNK = GatedDeltaRule.CHUNK;

  /** Floats of decays a chunk, see {@code prepare.cu}. */
  private static final int RECORD = 5 * CHUNK;

  /** Rows and columns of a box of TMA: 128 bytes. */
  private static final int BOX = 64;

  /** Bytes of such a box. */
  private static final int TILE = 2 * BOX * BOX;

  private static final int MOST_SEGMENTS = 32;

  /** Chunks that a segment has at least. */
  private static final int LEAST_CHUNKS = 4;

  private static final int STAGES = 3;
  private static final int END_STAGES = 4;

  private final CudaDevice device;
  private final CudaDeltaRuleRecurrence recurrence;
  private final CudaScratch scratch;
  private final Map<Site, LaunchArguments> sites = new HashMap<>();
  private final TensorMap qMap;
  private final TensorMap kMap;
  private final TensorMap vMap;
  private final TensorMap outMap;
  private final TensorMap inverseMap;
  private final Map<Integer, TensorMap> stateMaps = new HashMap<>();

  /** Segments to cut every text into, for tests; 0: as many as pay. */
  private int forcedSegments;

  private enum Kernel {
    PREPARE("prepare.cu", "gdn_prepare"),
    PREPARE_ANY("prepare.cu", "gdn_prepare"),
    CHUNKS("chunks.cu", "gdn_chunks"),
    SEGMENT_ENDS("chunks.cu", "gdn_segment_ends"),
    HOPPER_CHUNKS("chunks_hopper.cu", "gdn_chunks"),
    HOPPER_SEGMENT_ENDS("segment_ends_hopper.cu", "gdn_segment_ends"),
    COMBINE("combine.cu", "gdn_combine");

    private final String file;
    private final String function;

    Kernel(String file, String function) {
      this.file = file;
      this.function = function;
    }
  }

  /** A compiled variant and the place that launches it. */
  private record Site(
      Kernel kernel, boolean bf16, int keyDim, int valueDim, int columns, boolean saving) {}

  /**
   * How a call is cut.
   *
   * @param columns value columns of a block
   * @param segmentChunks chunks of a segment, the last may have fewer
   */
  private record Plan(boolean hopper, int columns, int segments, int segmentChunks) {}

  CudaDeltaRuleForward(CudaDevice device, CudaDeltaRuleRecurrence recurrence, CudaScratch scratch) {
    this.device = device;
    this.scratch = scratch;
    this.recurrence = recurrence;
    qMap = map(BOX, BOX, 1);
    kMap = map(BOX, BOX, 1);
    vMap = map(BOX, BOX, 1);
    outMap = map(BOX, BOX, 1);
    inverseMap = map(BOX, BOX);
  }

  private TensorMap map(int... box) {
    return new TensorMap(device, DType.BF16, TensorMap.Swizzle.BYTES_128, box);
  }

  void forceSegments(int segments) {
    forcedSegments = segments;
  }

  /** A call: chunks of the text, tokens of the first that came before, how it is cut. */
  private record Call(
      Shape s, Inputs in, int lead, int chunks, Plan plan, Tensor state, Tensor out, Parts at) {
    int heads() {
      return s.batch() * s.heads();
    }
  }

  /** Addresses; {@code states} is 0 where nothing is saved. */
  private record Parts(
      long records,
      long decays,
      long inverses,
      long ends,
      long transitions,
      long starts,
      long states) {}

  void run(Shape s, Inputs in, int start, Tensor state, Tensor out, Tensor saved) {
    int lead = start % CHUNK;
    int chunks = Math.toIntExact(Math.ceilDiv(lead + (long) s.tokens(), CHUNK));
    DeltaRuleSaved parts = saved == null ? null : DeltaRuleSaved.of(s, in.q().dtype());
    if (!inChunks(s, in.q().dtype()) || !aligned(in, out)) {
      if (saved != null) {
        prepare(s, in, lead, chunks, parts.inverses(saved).address(), 0, 0);
      }
      recurrence.run(s, in, state, out, saved == null ? null : parts.states(saved));
      return;
    }
    Plan plan = plan(s, chunks);
    Parts at = parts(s, chunks, plan.segments, parts, saved);
    Call call = new Call(s, in, lead, chunks, plan, state, out, at);
    prepare(s, in, lead, chunks, at.inverses, at.records, at.decays);
    if (plan.hopper) {
      encode(call);
    }
    if (plan.segments > 1) {
      segmentEnds(call);
      combine(call);
    }
    if (plan.hopper) {
      hopperChunks(call);
    } else {
      chunks(call);
    }
  }

  private Parts parts(Shape s, int chunks, int segments, DeltaRuleSaved parts, Tensor saved) {
    long heads = (long) s.batch() * s.heads();
    long decays = padded(4 * heads * chunks * RECORD);
    long inverses = decays + padded(4 * heads * chunks);
    long ends = inverses + (saved == null ? padded(2 * heads * chunks * CHUNK * CHUNK) : 0);
    long states = segments < 2 ? 0 : padded(4 * heads * segments * s.keyDim() * s.valueDim());
    long matrices = segments < 2 ? 0 : padded(4 * heads * segments * s.keyDim() * s.keyDim());
    long base = scratch.bytes(ends + 2 * states + matrices);
    return new Parts(
        base,
        base + decays,
        saved == null ? base + inverses : parts.inverses(saved).address(),
        base + ends,
        base + ends + states,
        base + ends + states + matrices,
        saved == null ? 0 : parts.states(saved).address());
  }

  /** Whether the chunked kernels take heads of this shape and type. */
  private static boolean inChunks(Shape s, DType type) {
    return type == DType.BF16 && tensorCores(s.keyDim()) && s.valueDim() % 16 == 0;
  }

  /** Whether all rows can be read 16 bytes at a time. */
  private static boolean aligned(Inputs in, Tensor out) {
    return alignedRows(in.q()) && alignedRows(in.k()) && alignedRows(in.v()) && alignedRows(out);
  }

  private static boolean tensorCores(int keyDim) {
    return keyDim == 16 || keyDim == 32 || keyDim == 64 || keyDim == 128;
  }

  /** Value columns of a block of {@code chunks.cu}: a power of two that divides V and K. */
  private static int columns(int keyDim, int valueDim) {
    return Math.min(Math.min(64, keyDim), Integer.lowestOneBit(valueDim));
  }

  private void prepare(
      Shape s, Inputs in, int lead, int chunks, long inverses, long records, long decays) {
    boolean bf16 = in.q().dtype() == DType.BF16;
    int k = s.keyDim();
    boolean tensorCores = bf16 && tensorCores(k) && alignedRows(in.k());
    LaunchArguments a =
        site(new Site(tensorCores ? Kernel.PREPARE : Kernel.PREPARE_ANY, bf16, k, 0, 0, false))
            .begin()
            .rows(in.k(), (long) s.heads() * k)
            .rows(in.g(), s.heads())
            .rows(in.beta(), s.heads())
            .address(inverses)
            .address(records)
            .address(decays)
            .integer(s.batch())
            .integer(s.tokens())
            .integer(s.heads())
            .integer(lead)
            .integer(chunks);
    int all = Math.multiplyExact(s.batch() * s.heads(), chunks);
    if (tensorCores) {
      int tile = Math.max(CHUNK * (2 * k + 16), 10 * 512 + 16 * 324);
      a.launch(Math.ceilDiv(all, 4), 128, 4 * (tile + 4 * (3 * CHUNK + 224 + CHUNK)));
    } else {
      a.launch(all, CHUNK, 4 * (CHUNK * (k + 1) + 2 * CHUNK * CHUNK + 3 * CHUNK));
    }
  }

  private void encode(Call c) {
    Shape s = c.s;
    long keys = (long) s.heads() * s.keyDim();
    long values = (long) s.heads() * s.valueDim();
    CudaGatedDeltaRule.encode(qMap, c.in.q(), keys, s);
    CudaGatedDeltaRule.encode(kMap, c.in.k(), keys, s);
    CudaGatedDeltaRule.encode(vMap, c.in.v(), values, s);
    CudaGatedDeltaRule.encode(outMap, c.out, values, s);
    long rows = (long) c.heads() * c.chunks * CHUNK;
    inverseMap.encode(MemorySegment.ofAddress(c.at.inverses), CHUNK, rows, CHUNK);
  }

  private void segmentEnds(Call c) {
    int k = c.s.keyDim();
    int v = c.s.valueDim();
    Plan plan = c.plan;
    int columns = plan.columns;
    Kernel kernel = plan.hopper ? Kernel.HOPPER_SEGMENT_ENDS : Kernel.SEGMENT_ENDS;
    LaunchArguments a = site(new Site(kernel, true, k, v, columns, false)).begin();
    if (plan.hopper) {
      a.map(kMap).map(vMap).map(inverseMap);
    } else {
      a.rows(c.in.k(), (long) c.s.heads() * k);
      a.rows(c.in.v(), (long) c.s.heads() * v);
      a.address(c.at.inverses);
    }
    a.address(c.at.records)
        .address(c.at.decays)
        .pointer(c.state)
        .address(c.at.ends)
        .address(c.at.transitions);
    if (!plan.hopper) {
      a.integer(c.s.tokens());
    }
    cut(a, c);
    int blocks = (k + v) / columns * c.heads();
    if (plan.hopper) {
      int groups = columns / BOX;
      int stage = (k / BOX + groups + 1) * TILE;
      a.launch(blocks, plan.segments - 1, 1, 128 * groups + 32, hopperShared(stage, 0, END_STAGES));
    } else {
      a.launch(blocks, plan.segments - 1, 1, 2 * columns, 2 * stageBytes(k, columns, 1));
    }
  }

  private static LaunchArguments cut(LaunchArguments a, Call c) {
    return a.integer(c.s.heads())
        .integer(c.lead)
        .integer(c.chunks)
        .integer(c.plan.segmentChunks)
        .integer(c.plan.segments);
  }

  private void combine(Call c) {
    int k = c.s.keyDim();
    int v = c.s.valueDim();
    site(new Site(Kernel.COMBINE, true, k, v, 0, false))
        .begin()
        .pointer(c.state)
        .address(c.at.ends)
        .address(c.at.transitions)
        .address(c.at.decays)
        .address(c.at.starts)
        .integer(c.chunks)
        .integer(c.plan.segmentChunks)
        .integer(c.plan.segments)
        .launch(v / 16, c.heads(), 1, 256, 4 * (2 * k * (k + 4) + 2 * k * 16));
  }

  private void hopperChunks(Call c) {
    int k = c.s.keyDim();
    int v = c.s.valueDim();
    boolean saving = c.at.states != 0;
    int groups = c.plan.columns / BOX;
    LaunchArguments a =
        site(new Site(Kernel.HOPPER_CHUNKS, true, k, v, c.plan.columns, saving)).begin();
    a.map(qMap).map(kMap).map(vMap).map(inverseMap).map(outMap);
    if (saving) {
      long rows = (long) c.heads() * c.chunks * k;
      a.map(
          stateMaps
              .computeIfAbsent(k, boxRows -> map(BOX, boxRows))
              .encode(MemorySegment.ofAddress(c.at.states), v, rows, v));
    } else {
      a.map(outMap);
    }
    a.address(c.at.records).address(c.plan.segments > 1 ? c.at.starts : 0).pointer(c.state);
    a.rows(c.out, (long) c.s.heads() * v).integer(c.s.tokens());
    int stage = (2 * k / BOX + groups + 1) * TILE;
    int staging = groups * (saving ? 2 * BOX * k : TILE);
    cut(a, c)
        .launch(
            v / c.plan.columns * c.heads(),
            c.plan.segments,
            1,
            128 * groups + 128,
            hopperShared(stage, 2 * TILE + staging, STAGES));
  }

  private void chunks(Call c) {
    int k = c.s.keyDim();
    int v = c.s.valueDim();
    int columns = c.plan.columns;
    LaunchArguments a = site(new Site(Kernel.CHUNKS, true, k, v, columns, false)).begin();
    a.rows(c.in.q(), (long) c.s.heads() * k);
    a.rows(c.in.k(), (long) c.s.heads() * k);
    a.rows(c.in.v(), (long) c.s.heads() * v);
    a.address(c.at.inverses)
        .address(c.at.records)
        .address(c.plan.segments > 1 ? c.at.starts : 0)
        .pointer(c.state);
    a.rows(c.out, (long) c.s.heads() * v).address(c.at.states).integer(c.s.tokens());
    int scorers = k <= 32 ? 2 : 4;
    cut(a, c)
        .launch(
            v / columns * c.heads(),
            c.plan.segments,
            1,
            2 * columns + 32 * scorers,
            2 * stageBytes(k, columns, 2) + 10 * 512);
  }

  /** The kernels' own sums, see {@code chunks_hopper.cu} and {@code chunks.cu}. */
  private static int hopperShared(int stage, int rest, int stages) {
    return stages * (stage + 4 * RECORD) + rest + 8 * (2 * stages + 4) + 1024;
  }

  private static int stageBytes(int keyDim, int columns, int keyTiles) {
    return CHUNK * (keyTiles * (2 * keyDim + 16) + 2 * columns + 16) + 10 * 512 + 4 * RECORD;
  }

  // ------------------------------------------------------------------- how a call is cut

  /** The cheapest cut, by times measured on an H200. */
  private Plan plan(Shape s, int chunks) {
    int k = s.keyDim();
    int v = s.valueDim();
    boolean hopper = device.hopper() && (k == 64 || k == 128) && (v == 64 || v == 128);
    int heads = s.batch() * s.heads();
    int most = Math.max(1, Math.min(MOST_SEGMENTS, chunks / LEAST_CHUNKS));
    Plan best = null;
    double least = Double.MAX_VALUE;
    int narrowest = hopper ? BOX : columns(k, v);
    int widest = hopper ? Math.min(k, v) : narrowest;
    for (int columns = narrowest; columns <= widest; columns *= 2) {
      for (int wanted = 1; wanted <= most; wanted++) {
        int segmentChunks = Math.ceilDiv(chunks, wanted);
        int segments = Math.ceilDiv(chunks, segmentChunks);
        double cost = cost(k, v, heads, new Plan(hopper, columns, segments, segmentChunks));
        if (cost < least && (forcedSegments == 0 || wanted == forcedSegments)) {
          least = cost;
          best = new Plan(hopper, columns, segments, segmentChunks);
        }
      }
    }
    if (best == null) {
      throw new IllegalArgumentException(chunks + " chunks in " + forcedSegments + " segments");
    }
    return best;
  }

  /** Microseconds: rounds of blocks over the chip, each through the chunks of a segment. */
  private double cost(int k, int v, int heads, Plan plan) {
    int resident = plan.hopper || k > 64 ? 1 : k > 32 ? 2 : 4;
    double chunk;
    double ends;
    if (plan.hopper) {
      chunk = plan.columns == BOX ? 1.4 : 2.4;
      ends = plan.columns == BOX ? 1.3 : 1.5;
    } else {
      chunk = k > 64 ? 3.8 : k > 32 ? 2.5 : 2;
      ends = chunk * 2 / 3;
    }
    int slots = resident * device.multiprocessors();
    double cost =
        Math.ceilDiv((long) heads * (v / plan.columns) * plan.segments, slots)
            * chunk
            * plan.segmentChunks;
    if (plan.segments > 1) {
      // Most heads forget within a segment: no matrix, and few of its chunks.
      double values = 0.7 * (plan.segments - 1) * (v / plan.columns);
      double matrices = 0.3 * (plan.segments - 2) * (k / plan.columns);
      cost += Math.max(1, heads * (values + matrices) / slots) * ends * plan.segmentChunks;
      cost += 8 + 4 * plan.segments;
    }
    return cost;
  }

  // ------------------------------------------------------------------- variants

  private LaunchArguments site(Site site) {
    return sites.computeIfAbsent(site, this::compile);
  }

  private LaunchArguments compile(Site site) {
    List<String> defines = new ArrayList<>();
    defines.add("-DBF16=" + (site.bf16 ? 1 : 0));
    defines.add("-DKEY_DIM=" + site.keyDim);
    boolean ends = site.kernel == Kernel.SEGMENT_ENDS || site.kernel == Kernel.HOPPER_SEGMENT_ENDS;
    switch (site.kernel) {
      case PREPARE -> defines.add("-DTENSOR_CORES=1");
      case PREPARE_ANY -> defines.add("-DTENSOR_CORES=0");
      case COMBINE -> defines.add("-DVALUE_DIM=" + site.valueDim);
      case CHUNKS, SEGMENT_ENDS -> {
        defines.add("-DVALUE_DIM=" + site.valueDim);
        defines.add("-DVALUE_COLUMNS=" + site.columns);
        defines.add("-DSEGMENT_ENDS=" + (ends ? 1 : 0));
      }
      case HOPPER_CHUNKS, HOPPER_SEGMENT_ENDS -> {
        defines.add("-DVALUE_DIM=" + site.valueDim);
        defines.add("-DWARPGROUPS=" + site.columns / BOX);
        defines.add("-DSTAGES=" + (ends ? END_STAGES : STAGES));
        if (!ends) {
          defines.add("-DSAVE=" + (site.saving ? 1 : 0));
        }
      }
    }
    return device
        .module(CudaDeltaRuleForward.class, site.kernel.file, defines.toArray(String[]::new))
        .kernel(site.kernel.function)
        .preferShared()
        .arguments();
  }
}
