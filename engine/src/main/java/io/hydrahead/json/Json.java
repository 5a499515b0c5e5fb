package io.hydrahead.json;

import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Strict JSON: UTF-8 only, no duplicate keys, nothing after the document. */
public final class Json {
  private static final long MAX_BYTES = 1L << 30;

  /** The parser settings, for readers that stream. */
  public static final JsonFactory FACTORY =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .streamReadConstraints(
              StreamReadConstraints.builder().maxNestingDepth(200).maxNameLength(1 << 20).build())
          .build();

  private static final JsonMapper MAPPER =
      JsonMapper.builder(FACTORY)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(SerializationFeature.INDENT_OUTPUT)
          .build();

  private Json() {}

  /** An empty object to fill. */
  public static ObjectNode object() {
    return MAPPER.createObjectNode();
  }

  /** The JSON form of strings, numbers, truth values, lists, maps, records and JSON nodes. */
  public static JsonNode of(Object value) {
    return MAPPER.valueToTree(value);
  }

  /**
   * Reads a whole file.
   *
   * @throws InputException naming the file, if it is missing, unreadable or not strict JSON
   */
  public static JsonNode read(Path file) {
    byte[] bytes;
    try {
      if (Files.isRegularFile(file) && Files.size(file) > MAX_BYTES) {
        throw new InputException(file + ": larger than 1 GiB, which no JSON file here should be");
      }
      if (Files.isDirectory(file)) {
        throw new InputException(file + ": a folder, expected a JSON file");
      }
      bytes = Files.readAllBytes(file);
    } catch (IOException e) {
      throw new InputException(
          file
              + ": cannot be read: "
              + (e instanceof NoSuchFileException
                  ? "no such file; check the path"
                  : e.getMessage()),
          e);
    }
    return parse(text(bytes, file), file.toString());
  }

  private static String text(byte[] bytes, Path file) {
    try {
      return decode(ByteBuffer.wrap(bytes));
    } catch (CharacterCodingException e) {
      throw new InputException(
          file
              + ": not valid UTF-8; save it in that encoding (iconv -f LATIN1 -t UTF-8 converts"
              + " Latin-1)");
    }
  }

  /**
   * Parses {@code text}; {@code source} names it in errors.
   *
   * @throws InputException if it is not strict JSON
   */
  public static JsonNode parse(String text, String source) {
    if (text.startsWith("\uFEFF")) {
      throw new InputException(
          source + ": it begins with a byte order mark (EF BB BF); JSON has none, leave it out");
    }
    try {
      JsonNode node = MAPPER.readTree(text);
      if (node == null || node.isMissingNode()) {
        throw new InputException(source + ": empty, expected JSON");
      }
      return node;
    } catch (JacksonException e) {
      throw invalid(source, e);
    }
  }

  /** Indented text with a newline at its end. */
  public static String write(JsonNode node) {
    return MAPPER.writeValueAsString(node) + "\n";
  }

  /**
   * Decodes {@code bytes}.
   *
   * @throws InputException if they are not valid UTF-8
   */
  public static String utf8(ByteBuffer bytes, String source) {
    try {
      return decode(bytes);
    } catch (CharacterCodingException e) {
      throw new InputException(source + ": not valid UTF-8");
    }
  }

  private static String decode(ByteBuffer bytes) throws CharacterCodingException {
    return StandardCharsets.UTF_8
        .newDecoder()
        .onMalformedInput(CodingErrorAction.REPORT)
        .onUnmappableCharacter(CodingErrorAction.REPORT)
        .decode(bytes)
        .toString();
  }

  /** The one-line error of a parser's failure in {@code source}. */
  public static InputException invalid(String source, JacksonException e) {
    String where =
        e.getLocation() == null
            ? ""
            : " at line "
                + e.getLocation().getLineNr()
                + ", column "
                + e.getLocation().getColumnNr();
    return new InputException(source + ": invalid JSON" + where + ": " + JsonFaults.words(e));
  }
}
