package io.hydrahead.checkpoint;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A safetensors file, memory-mapped read-only. The whole header is checked before anything is
 * mapped. Tensors are views that live until {@link #close()}, aligned to their element type: the
 * few files that are not laid out so have the tensors that need it copied once.
 */
public final class SafetensorsFile implements AutoCloseable {
  private final Path path;
  private final SafetensorsHeader header;
  private final Arena arena;
  private final MemorySegment data;
  private final Map<String, MemorySegment> copies = new ConcurrentHashMap<>();

  private SafetensorsFile(Path path, SafetensorsHeader header, Arena arena, MemorySegment data) {
    this.path = path;
    this.header = header;
    this.arena = arena;
    this.data = data;
  }

  /**
   * Checks and maps {@code path}; files above 2 GB included.
   *
   * @throws InputException naming the file and what is wrong with it
   */
  public static SafetensorsFile open(Path path) {
    if (Files.isDirectory(path)) {
      throw new InputException(path + ": a folder, expected a safetensors file");
    }
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      long size = channel.size();
      long headerBytes = headerBytes(channel, size, path);
      ByteBuffer json = ByteBuffer.allocate((int) headerBytes);
      readFully(channel, json, 8, path);
      long dataStart = 8 + headerBytes;
      SafetensorsHeader header =
          SafetensorsHeader.parse(json.flip(), size - dataStart, path.toString());
      Arena arena = Arena.ofShared();
      try {
        MemorySegment all = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
        return new SafetensorsFile(path, header, arena, all.asSlice(dataStart));
      } catch (IOException | RuntimeException e) {
        arena.close();
        throw e;
      }
    } catch (IOException e) {
      throw Storage.cannotRead(path, e);
    }
  }

  private static long headerBytes(FileChannel channel, long size, Path path) throws IOException {
    if (size < 8) {
      throw new InputException(path + ": " + size + " bytes, too short for a safetensors file");
    }
    ByteBuffer first = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    readFully(channel, first, 0, path);
    long n = first.getLong(0);
    if (first.get(0) == '{') {
      throw new InputException(path + ": this is JSON, a safetensors file is wanted");
    }
    if (n < 0 || n > SafetensorsHeader.MAX_BYTES) {
      throw new InputException(
          path
              + ": header length "
              + Long.toUnsignedString(n)
              + " is above the format's "
              + SafetensorsHeader.MAX_BYTES
              + " bytes: not a safetensors file, or damaged");
    }
    if (n > size - 8) {
      throw new InputException(
          path
              + ": the header should have "
              + n
              + " bytes, the file has only "
              + (size - 8)
              + " more: truncated, fetch it again");
    }
    return n;
  }

  private static void readFully(FileChannel channel, ByteBuffer into, long at, Path path)
      throws IOException {
    while (into.hasRemaining()) {
      int n = channel.read(into, at + into.position());
      if (n < 0) {
        throw new InputException(path + ": ended while its header was read");
      }
    }
  }

  public Path path() {
    return path;
  }

  /** All entries by name, in the header's order. */
  public Map<String, TensorInfo> tensors() {
    return header.tensors();
  }

  /** The header's {@code __metadata__}; empty when it has none. */
  public Map<String, String> metadata() {
    return header.metadata();
  }

  public boolean has(String name) {
    return header.tensors().containsKey(name);
  }

  /**
   * A read-only view of the tensor called {@code name}, in its stored type.
   *
   * @throws InputException if there is none, or its element type is not one that {@link DType} has
   */
  public Tensor get(String name) {
    TensorInfo t = header.tensors().get(name);
    if (t == null) {
      throw new InputException(path + ": has no tensor '" + name + "'");
    }
    DType dtype =
        t.type()
            .dtype()
            .orElseThrow(() ->
                new InputException(
                    path
                        + ": tensor '"
                        + name
                        + "' has dtype "
                        + t.type()
                        + ", which is not supported; convert it to F32, BF16 or F16"));
    long[] shape = t.shape().stream().mapToLong(Long::longValue).toArray();
    MemorySegment view = data.asSlice(t.begin(), t.bytes());
    if (view.address() % dtype.bytes() != 0) {
      view = copies.computeIfAbsent(name, _ -> copy(data.asSlice(t.begin(), t.bytes())));
    }
    return Tensor.of(view, dtype, shape);
  }

  private MemorySegment copy(MemorySegment unaligned) {
    MemorySegment fresh =
        arena
            .allocate(Math.max(unaligned.byteSize(), 1), Tensor.ALIGNMENT)
            .asSlice(0, unaligned.byteSize());
    return fresh.copyFrom(unaligned).asReadOnly();
  }

  /** Unmaps the file; its tensors must not be used any more. */
  @Override
  public void close() {
    arena.close();
  }
}
