package io.hydrahead.checkpoint;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.InputException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;

/**
 * The JSON header of a safetensors file, with every rule of the format checked: UTF-8, an object
 * from its first byte, no duplicate keys, known element types, tensors that fill the data part
 * without holes or overlap, sizes that are exactly shape × element size.
 *
 * @see <a href="https://github.com/huggingface/safetensors#format">the format</a>
 */
record SafetensorsHeader(Map<String, TensorInfo> tensors, Map<String, String> metadata) {
  /** The format's limit on the header's length in bytes. */
  static final long MAX_BYTES = 100_000_000;

  static final String METADATA = "__metadata__";

  /**
   * Parses {@code bytes}; the data part that follows it in the file has {@code dataBytes} bytes.
   * {@code source} names the file in errors.
   */
  static SafetensorsHeader parse(ByteBuffer bytes, long dataBytes, String source) {
    if (!bytes.hasRemaining() || bytes.get(bytes.position()) != '{') {
      throw new InputException(
          source + ": the header does not begin with '{': not a safetensors file");
    }
    String json = Json.utf8(bytes, source + " header");
    SafetensorsHeader header;
    try (JsonParser p = Json.FACTORY.createParser(ObjectReadContext.empty(), json)) {
      header = new Reader(p, source).header();
    } catch (JacksonException e) {
      throw Json.invalid(source + " header", e);
    }
    checkLayout(header.tensors.values(), dataBytes, source);
    return header;
  }

  /** Exact number of bytes of a tensor; −1 if it is no whole number or does not fit a long. */
  static long bytesOf(ElementType type, List<Long> shape) {
    long n = 1;
    boolean overflow = false;
    boolean empty = shape.contains(0L);
    for (long s : shape) {
      if (s == 0) {
        continue;
      }
      long high = Math.multiplyHigh(n, s);
      n *= s;
      overflow |= high != 0 || n < 0;
    }
    if (overflow || n > Long.MAX_VALUE / type.bits()) {
      return -1;
    }
    if (empty) {
      return 0;
    }
    long bits = n * type.bits();
    return bits % 8 == 0 ? bits / 8 : -1;
  }

  private static void checkLayout(Iterable<TensorInfo> tensors, long dataBytes, String source) {
    List<TensorInfo> sorted = new ArrayList<>();
    tensors.forEach(sorted::add);
    sorted.sort(Comparator.comparingLong(TensorInfo::begin).thenComparingLong(TensorInfo::end));
    long at = 0;
    for (TensorInfo t : sorted) {
      if (t.begin() != at) {
        throw new InputException(
            source
                + ": tensor '"
                + t.name()
                + "' starts at byte "
                + t.begin()
                + (t.begin() < at ? ", inside the tensor before it" : ", leaving a hole")
                + " (expected "
                + at
                + ")");
      }
      at = t.end();
    }
    if (at != dataBytes) {
      throw new InputException(
          source
              + ": the tensors take "
              + at
              + " bytes, the file holds "
              + dataBytes
              + (at > dataBytes ? ": truncated, fetch it again" : ": trailing bytes"));
    }
  }

  private static final class Reader {
    private final JsonParser p;
    private final String source;

    Reader(JsonParser p, String source) {
      this.p = p;
      this.source = source;
    }

    SafetensorsHeader header() {
      expect(p.nextToken(), JsonToken.START_OBJECT, "the header");
      Map<String, TensorInfo> tensors = new LinkedHashMap<>();
      Map<String, String> metadata = Map.of();
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String name = p.currentName();
        JsonToken value = p.nextToken();
        if (name.equals(METADATA)) {
          metadata = metadata(value);
        } else {
          tensors.put(name, tensor(name, value));
        }
      }
      if (p.nextToken() != null) {
        throw new InputException(source + ": text after the header's object");
      }
      return new SafetensorsHeader(
          Collections.unmodifiableMap(tensors), Collections.unmodifiableMap(metadata));
    }

    private Map<String, String> metadata(JsonToken first) {
      expect(first, JsonToken.START_OBJECT, METADATA);
      Map<String, String> out = new LinkedHashMap<>();
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String key = p.currentName();
        expect(p.nextToken(), JsonToken.VALUE_STRING, METADATA + " '" + key + "'");
        out.put(key, p.getString());
      }
      return out;
    }

    private TensorInfo tensor(String name, JsonToken first) {
      String what = "tensor '" + name + "'";
      expect(first, JsonToken.START_OBJECT, what);
      String dtype = "";
      List<Long> shape = List.of();
      List<Long> offsets = List.of();
      int seen = 0;
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String key = p.currentName();
        JsonToken value = p.nextToken();
        switch (key) {
          case "dtype" -> {
            expect(value, JsonToken.VALUE_STRING, what + " dtype");
            dtype = p.getString();
            seen |= 1;
          }
          case "shape" -> {
            shape = numbers(value, what + " shape");
            seen |= 2;
          }
          case "data_offsets" -> {
            offsets = numbers(value, what + " data_offsets");
            seen |= 4;
          }
          default ->
              throw new InputException(
                  source + ": " + what + " has an unknown field '" + key + "'");
        }
      }
      if (seen != 7) {
        throw new InputException(source + ": " + what + " needs dtype, shape and data_offsets");
      }
      String unknown = dtype;
      ElementType type =
          ElementType.named(dtype)
              .orElseThrow(() ->
                  new InputException(
                      source + ": " + what + " has the unknown dtype '" + unknown + "'"));
      return checked(name, type, shape, offsets, what);
    }

    private TensorInfo checked(
        String name, ElementType type, List<Long> shape, List<Long> offsets, String what) {
      if (offsets.size() != 2 || offsets.get(0) > offsets.get(1)) {
        throw new InputException(
            source + ": " + what + " data_offsets " + offsets + " is no [begin, end]");
      }
      long bytes = bytesOf(type, shape);
      TensorInfo t = new TensorInfo(name, type, shape, offsets.get(0), offsets.get(1));
      if (bytes != t.bytes()) {
        throw new InputException(
            source
                + ": "
                + what
                + " of dtype "
                + type
                + " and shape "
                + shape
                + " takes "
                + (bytes < 0 ? "no valid number of" : Long.toString(bytes))
                + " bytes, data_offsets "
                + offsets
                + " give "
                + t.bytes());
      }
      return t;
    }

    private List<Long> numbers(JsonToken first, String what) {
      expect(first, JsonToken.START_ARRAY, what);
      List<Long> out = new ArrayList<>();
      for (JsonToken t = p.nextToken(); t != JsonToken.END_ARRAY; t = p.nextToken()) {
        expect(t, JsonToken.VALUE_NUMBER_INT, what);
        long v = p.getLongValue();
        if (v < 0) {
          throw new InputException(source + ": " + what + " holds the negative number " + v);
        }
        out.add(v);
      }
      return out;
    }

    private void expect(JsonToken got, JsonToken wanted, String what) {
      if (got != wanted) {
        throw new InputException(
            source + ": " + what + " should be " + kind(wanted) + ", not " + kind(got));
      }
    }

    private static String kind(JsonToken t) {
      if (t == null) {
        return "the end of the header";
      }
      return switch (t) {
        case START_OBJECT -> "an object";
        case START_ARRAY -> "a list";
        case VALUE_STRING -> "a string";
        case VALUE_NUMBER_INT -> "a whole number";
        case VALUE_NUMBER_FLOAT -> "a fraction";
        case VALUE_TRUE, VALUE_FALSE -> "a truth value";
        case VALUE_NULL -> "null";
        default -> t.toString();
      };
    }
  }
}
