package io.hydrahead.checkpoint;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes tensors as safetensors: one file, or a folder of shards with their index. Every file is
 * written atomically ({@link AtomicFile}); for a whole checkpoint, write into an {@link
 * OutputFolder}.
 *
 * <p>The header is padded so that the data starts at a multiple of 64 bytes, and wide elements come
 * first, so that every tensor is aligned to its element.
 */
public final class SafetensorsWriter {
  private static final int ALIGNMENT = 64;
  private static final int CHUNK_ELEMENTS = 1 << 18;
  private static final long SLICE_BYTES = 1L << 30;

  private final Map<String, Tensor> tensors;
  private final Map<String, String> metadata = new LinkedHashMap<>();
  private UnaryOperator<DType> types = UnaryOperator.identity();

  private SafetensorsWriter(Map<String, Tensor> tensors) {
    this.tensors = new LinkedHashMap<>(tensors);
    if (tensors.containsKey(SafetensorsHeader.METADATA)) {
      throw new IllegalArgumentException("a tensor cannot be called " + SafetensorsHeader.METADATA);
    }
  }

  /**
   * A writer of {@code tensors} in their map's order, with the metadata that transformers expects.
   */
  public static SafetensorsWriter of(Map<String, Tensor> tensors) {
    return new SafetensorsWriter(tensors).metadata("format", "pt");
  }

  /** Adds an entry of {@code __metadata__}. */
  public SafetensorsWriter metadata(String key, String value) {
    metadata.put(key, value);
    return this;
  }

  /** Stores the floating-point tensors as {@code dtype}, rounded to nearest even. */
  public SafetensorsWriter as(DType dtype) {
    if (!isFloat(dtype)) {
      throw new IllegalArgumentException(dtype + " is no floating-point type");
    }
    types = from -> isFloat(from) ? dtype : from;
    return this;
  }

  private static boolean isFloat(DType t) {
    return t == DType.F32 || t == DType.BF16 || t == DType.F16 || t == DType.F64;
  }

  /** Bytes of the tensors as they will be stored, without headers. */
  public long dataBytes() {
    return tensors.values().stream().mapToLong(this::storedBytes).sum();
  }

  private long storedBytes(Tensor t) {
    return t.size() * types.apply(t.dtype()).bytes();
  }

  /**
   * Writes one file.
   *
   * @throws InputException naming the path and a fix, if it cannot be written; nothing is left then
   */
  public void write(Path file) {
    writeFile(file, tensors);
  }

  /**
   * Writes {@code model.safetensors} into {@code folder}, or, where the tensors take more than
   * {@code maxShardBytes}, shards {@code model-00001-of-….safetensors} with {@code
   * model.safetensors.index.json}.
   */
  public void writeFolder(Path folder, long maxShardBytes) {
    List<Map<String, Tensor>> shards = shards(maxShardBytes);
    if (shards.size() == 1) {
      writeFile(folder.resolve(Checkpoint.SINGLE), tensors);
      return;
    }
    ObjectNode index = Json.object();
    index.putObject("metadata").put("total_size", dataBytes());
    ObjectNode weights = index.putObject("weight_map");
    for (int i = 0; i < shards.size(); i++) {
      String name =
          String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
      shards.get(i).keySet().forEach(tensor -> weights.put(tensor, name));
      writeFile(folder.resolve(name), shards.get(i));
    }
    AtomicFile.write(folder.resolve(Checkpoint.INDEX), Json.write(index));
  }

  private List<Map<String, Tensor>> shards(long maxShardBytes) {
    List<Map<String, Tensor>> shards = new ArrayList<>();
    Map<String, Tensor> shard = new LinkedHashMap<>();
    long bytes = 0;
    for (Map.Entry<String, Tensor> e : tensors.entrySet()) {
      long more = storedBytes(e.getValue());
      if (!shard.isEmpty() && bytes + more > maxShardBytes) {
        shards.add(shard);
        shard = new LinkedHashMap<>();
        bytes = 0;
      }
      shard.put(e.getKey(), e.getValue());
      bytes += more;
    }
    shards.add(shard);
    return shards;
  }

  private void writeFile(Path file, Map<String, Tensor> content) {
    List<Map.Entry<String, Tensor>> order = new ArrayList<>(content.entrySet());
    order.sort(
        Comparator.comparingInt(
            (Map.Entry<String, Tensor> e) -> -types.apply(e.getValue().dtype()).bytes()));
    byte[] header = header(order);
    AtomicFile.writeChannel(
        file,
        out -> {
          ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
          length.putLong(0, header.length);
          writeFully(out, length);
          writeFully(out, ByteBuffer.wrap(header));
          for (Map.Entry<String, Tensor> e : order) {
            writeData(out, e.getValue());
          }
        });
  }

  private byte[] header(List<Map.Entry<String, Tensor>> order) {
    ObjectNode header = Json.object();
    if (!metadata.isEmpty()) {
      ObjectNode m = header.putObject(SafetensorsHeader.METADATA);
      metadata.forEach(m::put);
    }
    long at = 0;
    for (Map.Entry<String, Tensor> e : order) {
      Tensor t = e.getValue();
      ObjectNode entry = header.putObject(e.getKey());
      entry.put("dtype", types.apply(t.dtype()).name());
      ArrayNode shape = entry.putArray("shape");
      for (long s : t.shape()) {
        shape.add(s);
      }
      long end = at + storedBytes(t);
      entry.putArray("data_offsets").add(at).add(end);
      at = end;
    }
    byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
    int padded = (8 + json.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT - 8;
    byte[] out = new byte[padded];
    Arrays.fill(out, (byte) ' ');
    System.arraycopy(json, 0, out, 0, json.length);
    if (padded > SafetensorsHeader.MAX_BYTES) {
      throw new IllegalArgumentException("the header would take " + padded + " bytes");
    }
    return out;
  }

  private void writeData(FileChannel out, Tensor t) throws IOException {
    DType to = types.apply(t.dtype());
    if (to == t.dtype()) {
      MemorySegment s = t.segment();
      for (long at = 0; at < s.byteSize(); at += SLICE_BYTES) {
        long n = Math.min(SLICE_BYTES, s.byteSize() - at);
        writeFully(out, s.asSlice(at, n).asByteBuffer());
      }
      return;
    }
    Tensor flat = t.view(t.size());
    ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_ELEMENTS * to.bytes());
    for (long at = 0; at < t.size(); at += CHUNK_ELEMENTS) {
      int n = (int) Math.min(CHUNK_ELEMENTS, t.size() - at);
      chunk.clear().limit(n * to.bytes());
      Tensor.of(MemorySegment.ofBuffer(chunk), to, n).copyFrom(flat.rows(at, n));
      writeFully(out, chunk);
    }
  }

  private static void writeFully(FileChannel out, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      out.write(bytes);
    }
  }
}
