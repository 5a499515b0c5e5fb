package io.hydrahead.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsTest {
  @TempDir Path dir;

  private static byte[] file(String header, int dataBytes) {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(8 + json.length + dataBytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(json.length)
        .put(json)
        .array();
  }

  private Path write(byte[] bytes) throws IOException {
    return Files.write(dir.resolve("x.safetensors"), bytes);
  }

  private static Map<String, Tensor> sample() {
    Map<String, Tensor> t = new LinkedHashMap<>();
    t.put("a", Tensor.of(new float[] {1, -2, 3.5f, 0, 1e-30f, 7}, 2, 3));
    t.put("scalar", Tensor.of(new float[] {42}));
    t.put("empty", Tensor.of(new float[0], 0, 5));
    return t;
  }

  @Test
  void roundTrip() {
    Path f = dir.resolve("m.safetensors");
    SafetensorsWriter.of(sample()).metadata("k", "v ü").write(f);
    try (SafetensorsFile s = SafetensorsFile.open(f)) {
      assertThat(s.tensors().keySet()).containsExactly("a", "scalar", "empty");
      assertThat(s.metadata()).containsEntry("format", "pt").containsEntry("k", "v ü");
      assertThat(s.get("a").shape()).containsExactly(2, 3);
      assertThat(s.get("a").toFloats()).containsExactly(1, -2, 3.5f, 0, 1e-30f, 7);
      assertThat(s.get("scalar").rank()).isZero();
      assertThat(s.get("scalar").toFloats()).containsExactly(42);
      assertThat(s.get("empty").size()).isZero();
      assertThatThrownBy(() -> s.get("b"))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("'b'");
    }
  }

  @ParameterizedTest
  @CsvSource({"BF16", "F16", "F64", "F32"})
  void storesAsAnotherType(DType type) {
    Path f = dir.resolve("m.safetensors");
    SafetensorsWriter.of(sample()).as(type).write(f);
    try (SafetensorsFile s = SafetensorsFile.open(f)) {
      assertThat(s.get("a").dtype()).isEqualTo(type);
      float tiny = type == DType.F16 ? 0f : s.get("a").get(4);
      assertThat(tiny).isCloseTo(type == DType.F16 ? 0f : 1e-30f, Percentage.withPercentage(1));
      assertThat(s.get("a").get(2)).isEqualTo(3.5f);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "4 | [] | does not begin with '{'",
        "4 | {\"a\":3} | should be an object",
        "4 | {\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]} | invalid JSON",
        "4 | {\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} x | invalid JSON",
        "4 | {\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} 1 | text after",
        "4 | {\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}} | unknown dtype 'F99'",
        "4 | {\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}} | takes 8 bytes",
        "4 | {\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}} | negative",
        "4 | {\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}} | whole number",
        "4 | {\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}} | no [begin, end]",
        "4 | {\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}} | no [begin, end]",
        "4 | {\"a\":{\"dtype\":\"F32\",\"shape\":[1]}} | needs dtype, shape and data_offsets",
        "4 | {\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}} | unknown field",
        "8 | {\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} | trailing bytes",
        "3 | {\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} | truncated",
        "8 | {\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}} | leaving a hole",
        "4 | {\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} | inside the tensor before it",
        "4 | {\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} | uplicate",
        "4 | {\"a\":{\"dtype\":\"F32\",\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[0,4]}} | uplicate",
        "0 | {\"__metadata__\":{\"a\":1}} | should be a string",
        "0 | {\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}} | uplicate",
        "0 | {\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}} | no valid number",
        "0 | {\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4,0],\"data_offsets\":[0,0]}} | no valid number",
        "0 | {\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,0]}} | invalid JSON",
        "4 | {\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,1]}} | no valid number",
      })
  void refusesBrokenHeaders(int dataBytes, String header, String message) throws IOException {
    Path f = write(file(header, dataBytes));
    assertThatThrownBy(() -> SafetensorsFile.open(f))
        .isInstanceOf(InputException.class)
        .hasMessageContaining(message)
        .hasMessageContaining("x.safetensors");
  }

  @Test
  void acceptsPaddingAndUnusualTypes() throws IOException {
    Path f = write(file("{\"a\":{\"shape\":[2],\"data_offsets\":[0,2],\"dtype\":\"I8\"}}   ", 2));
    try (SafetensorsFile s = SafetensorsFile.open(f)) {
      assertThat(s.tensors().get("a").shape()).isEqualTo(List.of(2L));
      assertThatThrownBy(() -> s.get("a"))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("dtype I8");
    }
  }

  /** The format promises no alignment, kernels want their element's. */
  @Test
  void unalignedTensorsAreAligned() throws IOException {
    String header =
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
            + "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[3,11]}}";
    for (int pad = 0; pad < 8; pad++) {
      byte[] bytes = file(header + " ".repeat(pad), 11);
      ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putFloat(bytes.length - 4, 1.25f);
      try (SafetensorsFile s = SafetensorsFile.open(write(bytes))) {
        assertThat(s.get("b").segment().address() % 4).isZero();
        assertThat(s.get("b").toFloats()).containsExactly(0, 1.25f);
        assertThat(s.get("b").segment().isReadOnly()).isTrue();
      }
    }
  }

  @Test
  void refusesBadLengthsAndEncodings() throws IOException {
    byte[] good = file("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    for (int n = 0; n < good.length; n++) {
      Path f = write(Arrays.copyOf(good, n));
      assertThatThrownBy(() -> SafetensorsFile.open(f)).isInstanceOf(InputException.class);
    }
    for (long length : new long[] {-1, Long.MIN_VALUE, 100_000_001, good.length}) {
      byte[] b = good.clone();
      ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
      Path f = write(b);
      assertThatThrownBy(() -> SafetensorsFile.open(f)).isInstanceOf(InputException.class);
    }
    byte[] latin = good.clone();
    latin[10] = (byte) 0xE4;
    Path f = write(latin);
    assertThatThrownBy(() -> SafetensorsFile.open(f))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("UTF-8");
    assertThatThrownBy(() -> SafetensorsFile.open(dir.resolve("none.safetensors")))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("no such file");
    assertThatThrownBy(() -> SafetensorsFile.open(dir)).isInstanceOf(InputException.class);
  }

  /** Whatever single byte of the header is damaged, the file loads or is refused: nothing else. */
  @Test
  void anyDamagedHeaderByteIsHandled() {
    Path f = dir.resolve("m.safetensors");
    SafetensorsWriter.of(sample()).write(f);
    byte[] bytes;
    try {
      bytes = Files.readAllBytes(f);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    int headerBytes = (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
    long seed = 20260609;
    Random random = new Random(seed);
    int refused = 0;
    for (int i = 0; i < 20_000; i++) {
      byte[] header = Arrays.copyOfRange(bytes, 8, 8 + headerBytes);
      int at = random.nextInt(headerBytes);
      if (i < headerBytes * 8) {
        header[i / 8] ^= (byte) (1 << (i % 8));
      } else {
        header[at] = (byte) random.nextInt(256);
      }
      try {
        SafetensorsHeader h =
            SafetensorsHeader.parse(ByteBuffer.wrap(header), bytes.length - 8 - headerBytes, "x");
        h.tensors().values().forEach(t -> assertThat(t.end()).isLessThanOrEqualTo(bytes.length));
      } catch (InputException e) {
        refused++;
        assertThat(e.getMessage()).doesNotContain("\n");
      }
    }
    assertThat(refused).as("seed %d", seed).isGreaterThan(5_000);
  }

  @Test
  void mapsFilesAboveTwoGigabytes() throws IOException {
    long rows = 700_000_000L;
    String header =
        "{\"big\":{\"dtype\":\"F32\",\"shape\":["
            + rows
            + "],\"data_offsets\":[0,"
            + rows * 4
            + "]},\"last\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":["
            + rows * 4
            + ","
            + (rows * 4 + 4)
            + "]}}";
    byte[] start = file(header + " ".repeat(8 - header.length() % 8), 0);
    Path f = dir.resolve("big.safetensors");
    try (RandomAccessFile r = new RandomAccessFile(f.toFile(), "rw")) {
      r.write(start);
      r.setLength(start.length + rows * 4 + 4); // sparse
      r.seek(start.length + rows * 4);
      r.writeInt(Integer.reverseBytes(Float.floatToRawIntBits(6.5f)));
    }
    try (SafetensorsFile s = SafetensorsFile.open(f)) {
      assertThat(s.get("big").get(rows - 1)).isZero();
      assertThat(s.get("last").get(0)).isEqualTo(6.5f);
    }
  }
}
