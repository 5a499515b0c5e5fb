package io.hydrahead.tensor;

import java.lang.foreign.Arena;

/**
 * Owner of buffers that live and die together: the activations of a schedule, the caches of a
 * session. Closing it frees everything it handed out.
 */
public final class Workspace implements AutoCloseable {
  private final Memory memory;
  private final Arena arena;
  private long bytes;

  /** Buffers in the memory of this process. */
  public Workspace() {
    this(Memory.HOST);
  }

  public Workspace(Memory memory) {
    this.memory = memory;
    this.arena = memory.arena();
  }

  /** Float32 memory of the given shape: any content, NaN when {@link Poison} is on. */
  public Tensor f32(long... shape) {
    return allocate(DType.F32, shape);
  }

  /** Float32 memory that is zero whether or not {@link Poison} is on. */
  public Tensor zeros(long... shape) {
    Tensor t = allocate(DType.F32, shape);
    t.fill(0f);
    return t;
  }

  public Tensor allocate(DType dtype, long... shape) {
    Tensor t = Tensor.allocate(memory, arena, dtype, shape);
    bytes += t.bytes();
    return t;
  }

  /** Where the buffers lie. */
  public Memory memory() {
    return memory;
  }

  /** Bytes handed out so far. */
  public long bytes() {
    return bytes;
  }

  @Override
  public void close() {
    arena.close();
  }
}
