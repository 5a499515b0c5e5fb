package io.hydrahead.data;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/**
 * Documents in memory, cut into blocks of about 8 KB that are divided among the {@link Split}s by
 * their names. A corpus too small to spare blocks uses all of them for every split, and says so.
 */
public final class TextCorpus implements PlainText {
  private static final int BLOCK_CHARS = 8192;

  /** A named document. */
  public record Document(String name, String text) {}

  private record Block(int document, int start, int end) {}

  /** Which split a block, starting at a character of a document, belongs to. */
  private interface Division {
    Split of(Document d, int start);
  }

  private final List<Document> documents;
  private final List<List<Block>> blocks = new ArrayList<>();
  private final List<long[]> ends = new ArrayList<>();
  private final List<String> notices;
  private final String fingerprint;

  private TextCorpus(String source, List<Document> found, Division division, List<String> notices) {
    documents = found.stream().filter(d -> !d.text().isBlank()).toList();
    if (documents.isEmpty()) {
      throw new InputException(
          source + ": no text in it (" + found.size() + " files read); name files that have some");
    }
    List<String> said = new ArrayList<>(notices);
    List<Block> all = cut();
    for (Split split : Split.values()) {
      List<Block> own =
          all.stream()
              .filter(b -> division.of(documents.get(b.document()), b.start()) == split)
              .toList();
      if (own.isEmpty()) {
        said.add(source + ": too small to keep text apart for " + split + "; all of it is used");
        own = all;
      }
      blocks.add(own);
      long[] cumulative = new long[own.size()];
      long sum = 0;
      for (int i = 0; i < cumulative.length; i++) {
        sum += own.get(i).end() - own.get(i).start();
        cumulative[i] = sum;
      }
      ends.add(cumulative);
    }
    this.notices = List.copyOf(said);
    MessageDigest sha = sha256();
    for (Document d : documents) {
      sha.update(d.name().getBytes(StandardCharsets.UTF_8));
      sha.update((byte) 0);
      sha.update(d.text().getBytes(StandardCharsets.UTF_8));
      sha.update((byte) 0);
    }
    fingerprint = HexFormat.of().formatHex(sha.digest());
  }

  /** A corpus of documents at hand; {@code source} names it in errors. */
  public static TextCorpus of(String source, List<Document> documents) {
    return of(source, documents, List.of());
  }

  static TextCorpus of(String source, List<Document> documents, List<String> notices) {
    return new TextCorpus(
        source, documents, (d, start) -> Split.ofBlock(d.name() + "@" + start), notices);
  }

  /** A corpus whose documents lie in one split each, as a whole. */
  static TextCorpus whole(
      String source, List<Document> documents, Function<Document, Split> of, List<String> notices) {
    return new TextCorpus(source, documents, (d, start) -> of.apply(d), notices);
  }

  /**
   * UTF-8 files under {@code folder} whose relative paths match the glob, in the order of their
   * paths; files that are not text are left out.
   *
   * @throws InputException if the folder is missing or no file has text
   */
  public static TextCorpus files(Path folder, String glob) {
    String source = folder.resolve(".").normalize() + "/" + glob;
    PathMatcher matcher;
    try {
      matcher = FileSystems.getDefault().getPathMatcher("glob:" + glob);
    } catch (IllegalArgumentException e) {
      throw new InputException(source + ": not a glob pattern: " + e.getMessage(), e);
    }
    List<Path> paths;
    try (Stream<Path> walk = Files.walk(folder)) {
      paths =
          walk.filter(Files::isRegularFile)
              .filter(p -> matcher.matches(folder.relativize(p)))
              .sorted(Comparator.comparing(p -> slashed(folder.relativize(p))))
              .toList();
    } catch (IOException | java.io.UncheckedIOException e) {
      throw new InputException(source + ": cannot be read (" + e.getMessage() + ")", e);
    }
    List<Document> out = new ArrayList<>();
    for (Path p : paths) {
      String text = text(read(p));
      if (text != null) {
        out.add(new Document(slashed(folder.relativize(p)), text));
      }
    }
    return of(source, out, List.of());
  }

  /** One text file as a single document. */
  public static TextCorpus file(Path file) {
    String text = text(read(file));
    if (text == null) {
      throw new InputException(file + ": not UTF-8 text");
    }
    return of(file.toString(), List.of(new Document(file.getFileName().toString(), text)));
  }

  /**
   * A file with a JSON object on each line and the text in {@code field}.
   *
   * @throws InputException naming the line that is not such an object
   */
  public static TextCorpus jsonLines(Path file, String field) {
    String text = text(read(file));
    if (text == null) {
      throw new InputException(file + ": not UTF-8 text");
    }
    List<Document> out = new ArrayList<>();
    int line = 0;
    for (String json : (Iterable<String>) text.lines()::iterator) {
      line++;
      if (json.isBlank()) {
        continue;
      }
      JsonNode value = Json.parse(json, file + " line " + line).path(field);
      if (!value.isString()) {
        throw new InputException(
            file + " line " + line + ": no text in field \"" + field + "\"; name the right field");
      }
      out.add(new Document(file.getFileName() + "#" + line, value.stringValue()));
    }
    return of(file.toString(), out, List.of());
  }

  private List<Block> cut() {
    List<Block> out = new ArrayList<>();
    for (int d = 0; d < documents.size(); d++) {
      String text = documents.get(d).text();
      for (int start = 0; start < text.length(); ) {
        int end = lineEnd(text, Math.min(text.length(), start + BLOCK_CHARS) - 1);
        out.add(new Block(d, start, end));
        start = end;
      }
    }
    return out;
  }

  private static int lineEnd(String text, int from) {
    int newline = text.indexOf('\n', from);
    return newline < 0 ? text.length() : newline + 1;
  }

  @Override
  public String excerpt(Split split, int chars, Dice dice) {
    Dice own = new Dice(dice.next(), split.ordinal());
    List<Block> from = blocks.get(split.ordinal());
    long[] cumulative = ends.get(split.ordinal());
    StringBuilder out = new StringBuilder(chars + 256);
    while (out.length() < chars) {
      long place = Math.unsignedMultiplyHigh(own.next(), cumulative[cumulative.length - 1]);
      int i = java.util.Arrays.binarySearch(cumulative, place + 1);
      i = i < 0 ? -i - 1 : i;
      Block b = from.get(i);
      int at = b.end() - (int) (cumulative[i] - place);
      append(out, chars, from, i, lineStart(documents.get(b.document()).text(), at));
      if (out.length() < chars) {
        out.append(TextCodec.END_OF_TEXT);
      }
    }
    return out.toString();
  }

  private static int lineStart(String text, int at) {
    return text.lastIndexOf('\n', Math.max(0, at - 1)) + 1;
  }

  /** Appends whole lines from {@code at} on, through neighbouring blocks of the same document. */
  private void append(StringBuilder out, int chars, List<Block> from, int i, int at) {
    Document d = documents.get(from.get(i).document());
    if (at == 0 && d.name().endsWith(".java")) {
      out.append("// ").append(d.name()).append('\n');
    }
    int end = from.get(i).end();
    while (i + 1 < from.size()
        && from.get(i + 1).document() == from.get(i).document()
        && from.get(i + 1).start() == end) {
      end = from.get(++i).end();
    }
    while (at < end && out.length() < chars) {
      int next = Math.min(end, lineEnd(d.text(), at));
      out.append(d.text(), at, next);
      at = next;
    }
  }

  @Override
  public String fingerprint() {
    return fingerprint;
  }

  @Override
  public long chars(Split split) {
    long[] cumulative = ends.get(split.ordinal());
    return cumulative[cumulative.length - 1];
  }

  @Override
  public List<String> notices() {
    return notices;
  }

  /** All documents, in order. */
  public List<Document> documents() {
    return documents;
  }

  private static byte[] read(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new InputException(
          file
              + (Files.exists(file) ? ": cannot be read" : ": no such file")
              + "; give the path of a readable text file",
          e);
    }
  }

  /** The text with line feeds only, or null if the bytes are not UTF-8 text. */
  static String text(byte[] bytes) {
    for (int i = 0; i < Math.min(bytes.length, 4096); i++) {
      if (bytes[i] == 0) {
        return null;
      }
    }
    try {
      String s =
          StandardCharsets.UTF_8
              .newDecoder()
              .onMalformedInput(CodingErrorAction.REPORT)
              .onUnmappableCharacter(CodingErrorAction.REPORT)
              .decode(ByteBuffer.wrap(bytes))
              .toString();
      return s.indexOf('\r') < 0 ? s : s.replace("\r\n", "\n");
    } catch (CharacterCodingException e) {
      return null;
    }
  }

  private static String slashed(Path p) {
    return p.toString().replace('\\', '/');
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
