package io.hydrahead.model;

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

/**
 * Named parameters (or their gradients, or an optimiser's moments) in checkpoint order; their
 * owner.
 */
public final class ParameterStore implements AutoCloseable {
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final Workspace memory;
  private final List<AutoCloseable> owned = new ArrayList<>();

  /** An empty store in the host's memory. */
  public ParameterStore() {
    this(Memory.HOST);
  }

  /** An empty store that allocates in {@code memory}. */
  public ParameterStore(Memory memory) {
    this.memory = new Workspace(memory);
  }

  /** Where the store allocates. */
  public Memory memory() {
    return memory.memory();
  }

  /** Zeros of the given names and shapes in the host's memory. */
  public static ParameterStore zeros(Map<String, long[]> shapes, DType dtype) {
    ParameterStore s = new ParameterStore();
    shapes.forEach((name, shape) -> s.allocate(name, dtype, shape).fill(0f));
    return s;
  }

  /** Zeros of this store's names and shapes in float32: gradients or moments. */
  public ParameterStore zerosLike() {
    ParameterStore s = new ParameterStore(memory());
    tensors.forEach((name, t) -> s.allocate(name, DType.F32, t.shape()).fill(0f));
    return s;
  }

  /** A deep copy in float32. */
  public ParameterStore copy() {
    ParameterStore s = new ParameterStore(memory());
    tensors.forEach((name, t) -> s.allocate(name, DType.F32, t.shape()).copyFrom(t));
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
    tensors.values().forEach(t -> t.fill(0f));
  }

  /** Hands over what holds the memory of tensors that were {@link #put}: closed with this store. */
  void own(AutoCloseable holder) {
    owned.add(holder);
  }

  @Override
  public void close() {
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
