package io.hydrahead.model;

import io.hydrahead.ops.optim.Optim;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Memory;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Named parameters (or their gradients, or an optimiser's moments) in checkpoint order; their
 * owner.
 *
 * <p>Each parameter has memory of its own, or all of them share two allocations in the order of a
 * {@link ParameterLayout}: the store is then <em>arranged</em>.
 */
public final class ParameterStore implements AutoCloseable {
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final Workspace memory;
  private final List<AutoCloseable> owned = new ArrayList<>();

  // Of an arranged store only.
  private ParameterLayout layout;
  private Tensor matrices;
  private Tensor vectors;
  private ParameterStore working;

  /** An empty store in the host's memory. */
  public ParameterStore() {
    this(Memory.HOST);
  }

  /** An empty store that allocates in {@code memory}. */
  public ParameterStore(Memory memory) {
    this.memory = new Workspace(memory);
  }

  /** Zeros of the given names and shapes in the host's memory. */
  public static ParameterStore zeros(Map<String, long[]> shapes, DType dtype) {
    ParameterStore s = new ParameterStore();
    shapes.forEach((name, shape) -> s.allocate(name, dtype, shape).fill(0f));
    return s;
  }

  /** An arranged store: matrices of {@code type}, vectors in float32, all zero. */
  static ParameterStore arranged(Memory memory, ParameterLayout layout, DType type) {
    ParameterStore s = new ParameterStore(memory);
    s.arrange(
        layout,
        s.memory.allocate(type, layout.matrices()),
        s.memory.allocate(DType.F32, layout.vectors()));
    s.clear();
    return s;
  }

  private void arrange(ParameterLayout layout, Tensor matrices, Tensor vectors) {
    this.layout = layout;
    this.matrices = matrices;
    this.vectors = vectors;
    for (String name : layout.names()) {
      put(name, at(layout.place(name)));
    }
  }

  private Tensor at(ParameterLayout.Place p) {
    return (p.matrix() ? matrices : vectors).rows(p.offset(), p.size()).view(p.shape());
  }

  /** Where the store allocates. */
  public Memory memory() {
    return memory.memory();
  }

  /** Whether all parameters lie in two allocations, packs of matrices next to each other. */
  boolean isArranged() {
    return layout != null;
  }

  /** Zeros of this store's names and shapes in float32: gradients or moments. */
  public ParameterStore zerosLike() {
    return zerosLike(name -> true);
  }

  /** Like {@link #zerosLike()}; parameters that are not {@code wanted} may be missing. */
  public ParameterStore zerosLike(Predicate<String> wanted) {
    if (isArranged()) {
      return arranged(memory(), layout, DType.F32);
    }
    ParameterStore s = new ParameterStore(memory());
    tensors.forEach((name, t) -> {
      if (wanted.test(name)) {
        s.allocate(name, DType.F32, t.shape()).fill(0f);
      }
    });
    return s;
  }

  /** A deep copy in float32. */
  public ParameterStore copy() {
    ParameterStore s = zerosLike();
    tensors.forEach((name, t) -> s.get(name).copyFrom(t));
    return s;
  }

  /** New memory under a new name, owned by this store. */
  public Tensor allocate(String name, DType dtype, long... shape) {
    Tensor t = memory.allocate(dtype, shape);
    put(name, t);
    return t;
  }

  /** A tensor whose memory somebody else owns, such as a mapped file. */
  public void put(String name, Tensor t) {
    if (tensors.putIfAbsent(name, t) != null) {
      throw new IllegalArgumentException("parameter " + name + " is there already");
    }
  }

  /**
   * @throws IllegalArgumentException if there is none of that name
   */
  public Tensor get(String name) {
    Tensor t = tensors.get(name);
    if (t == null) {
      throw new IllegalArgumentException("there is no parameter " + name);
    }
    return t;
  }

  /** The matrices {@code names}, which lie next to each other in an arranged store, as one. */
  Tensor pack(List<String> names) {
    return at(layout.pack(names));
  }

  /**
   * Like {@link #pack}, with so many rows of whatever lies behind that their number is a multiple
   * of {@code multiple}; or as it is where nothing more lies behind.
   */
  Tensor pack(List<String> names, long multiple) {
    ParameterLayout.Place p = layout.pack(names);
    long width = p.shape()[1];
    long rows = Math.ceilDiv(p.shape()[0], multiple) * multiple;
    boolean fits = p.offset() + rows * width <= matrices.size();
    return fits ? matrices.rows(p.offset(), rows * width).view(rows, width) : at(p);
  }

  public boolean contains(String name) {
    return tensors.containsKey(name);
  }

  /** Names in checkpoint order. */
  public Set<String> names() {
    return Collections.unmodifiableSet(tensors.keySet());
  }

  /** Number of scalars in all. */
  public long parameters() {
    return tensors.values().stream().mapToLong(Tensor::size).sum();
  }

  /** Bytes in all. */
  public long bytes() {
    return tensors.values().stream().mapToLong(Tensor::bytes).sum();
  }

  /** Sets every element to zero. */
  public void clear() {
    if (isArranged()) {
      matrices.fill(0f);
      vectors.fill(0f);
    } else {
      tensors.values().forEach(t -> t.fill(0f));
    }
  }

  /** What an optimiser updates in one go: a parameter, or a run of adjacent ones. */
  public static final class Group {
    private final String name;
    private final ParameterLayout.Run run;
    private final boolean decays;

    private Group(String name, ParameterLayout.Run run, boolean decays) {
      this.name = name;
      this.run = run;
      this.decays = decays;
    }

    /** Whether weight decay is for it: matrices and convolutions. */
    public boolean decays() {
      return decays;
    }
  }

  /** The {@code chosen} parameters in groups that are all matrices or all not. */
  public List<Group> groups(Predicate<String> chosen) {
    if (isArranged()) {
      return layout.runs(chosen).stream().map(r -> new Group(null, r, r.decays())).toList();
    }
    return tensors.entrySet().stream()
        .filter(e -> chosen.test(e.getKey()))
        .map(e -> new Group(e.getKey(), null, e.getValue().rank() > 1))
        .toList();
  }

  /** The elements of a group, flat; the store must be one like that the group is of. */
  public Tensor flat(Group g) {
    if (g.run == null) {
      Tensor t = get(g.name);
      return t.view(t.size());
    }
    return (g.run.matrix() ? matrices : vectors).rows(g.run.offset(), g.run.size());
  }

  /**
   * The parameters as operations on {@code activations} take them: this store, or one with a copy
   * of its matrices in BF16 that shares the vectors. {@link #refreshWorking} brings it up to date.
   */
  ParameterStore working(DType activations) {
    if (!isArranged() || matrices.dtype() == activations) {
      return this;
    }
    if (working == null) {
      working = new ParameterStore(memory());
      working.arrange(layout, working.memory.allocate(activations, matrices.size()), vectors);
    }
    return working;
  }

  /** The group's elements in the working copy; null where there is no copy. */
  public Tensor flatWorking(Group g) {
    return working != null && g.run != null && g.run.matrix() ? working.flat(g) : null;
  }

  /** Rounds the matrices to the working copy, if there is one. */
  void refreshWorking(Optim optim) {
    if (working != null) {
      optim.convert(matrices, working.matrices);
    }
  }

  /** Hands over what holds the memory of tensors that were {@link #put}: closed with this store. */
  void own(AutoCloseable holder) {
    owned.add(holder);
  }

  @Override
  public void close() {
    if (working != null) {
      working.close();
      working = null;
    }
    for (AutoCloseable holder : owned) {
      try {
        holder.close();
      } catch (Exception e) {
        throw new IllegalStateException("cannot release " + holder, e);
      }
    }
    memory.close();
  }
}
