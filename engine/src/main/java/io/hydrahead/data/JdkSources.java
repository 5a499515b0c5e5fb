package io.hydrahead.data;

import io.hydrahead.json.Fields;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * Java sources from a JDK's {@code lib/src.zip} as a corpus. What a recipe pins is the content, not
 * the archive: SHA-256 over the sorted paths and the SHA-256 of each file that is taken, so that an
 * archive packed otherwise, or holding only those files, is the same.
 *
 * @param modules that are taken, in this order; empty takes all, java.base first
 * @param without path prefixes that are left out, such as tables of numbers
 * @param maxChars characters, at most; files after them are left out
 * @param sha256 of the content, or empty where the recipe pins none
 * @param byPackage whether a package lies in one {@link Split} as a whole; else blocks of 8 KB do
 * @param repeated largest share of lines that a file may have in common with those before it; 1
 *     keeps all, see {@link NearDuplicates}
 */
public record JdkSources(
    List<String> modules,
    List<String> without,
    long maxChars,
    String sha256,
    boolean byPackage,
    double repeated) {
  private static final long MEGA = 1_000_000;

  private enum Unit {
    BLOCK,
    PACKAGE
  }

  /** A file of the archive. */
  private record Source(String name, byte[] bytes) {}

  /**
   * Reads the fields {@code modules}, {@code without}, {@code max_chars}, {@code sha256}, {@code
   * split_by} ({@code block} or {@code package}) and {@code repeated} of a recipe's text source.
   */
  static JdkSources read(Fields f) {
    String sha = f.text("sha256", "");
    if (f.has("sha256") && !sha.matches("[0-9a-f]{64}")) {
      throw f.error("sha256", "must be 64 hexadecimal digits in lower case");
    }
    return new JdkSources(
        f.has("modules") ? f.texts("modules") : List.of(),
        f.has("without") ? f.texts("without") : List.of(),
        f.count("max_chars", 1, 1L << 30, 32 * MEGA),
        sha,
        f.choice("split_by", Unit.class, Unit.BLOCK) == Unit.PACKAGE,
        f.number("repeated", 0, 1, 1));
  }

  /**
   * The first selection of JDK sources in a data recipe's {@code text} list.
   *
   * @throws InputException if it has none, or the selection is wrong
   */
  public static JdkSources of(Fields data) {
    for (Fields f : data.objects("text")) {
      if (f.flag("jdk_sources", false)) {
        return read(f);
      }
    }
    throw data.error("text", "has no entry with \"jdk_sources\": true");
  }

  /** All modules, up to {@code maxChars}, by blocks. */
  static JdkSources upTo(long maxChars) {
    return new JdkSources(List.of(), List.of(), maxChars, "", false, 1);
  }

  /** Where the running JDK would keep its sources. */
  public static Path archive() {
    return Path.of(System.getProperty("java.home"), "lib", "src.zip");
  }

  /**
   * The corpus.
   *
   * @throws InputException if the archive is missing or broken, lacks a module, or holds other
   *     content than the recipe pins
   */
  public TextCorpus open(Path zip) {
    List<Source> files = files(zip);
    String content = content(files);
    if (!sha256.isEmpty() && !sha256.equals(content)) {
      throw new InputException(
          zip
              + ": the recipe is for the JDK sources with content hash "
              + sha256
              + ", these have "
              + content
              + " (Java "
              + Runtime.version()
              + "); run with the JDK the recipe names, or, for results that will not compare, set"
              + " \"sha256\" to the new value");
    }
    List<TextCorpus.Document> all = new ArrayList<>();
    for (Source s : files) {
      String text = TextCorpus.text(s.bytes());
      if (text != null) {
        all.add(new TextCorpus.Document(s.name(), text));
      }
    }
    List<TextCorpus.Document> kept = repeated < 1 ? NearDuplicates.without(all, repeated) : all;
    List<String> notices = new ArrayList<>();
    notices.add(
        String.format(
            Locale.ROOT,
            "%s: %,d files, %,d without near-duplicates, content sha256 %s",
            zip,
            all.size(),
            kept.size(),
            content));
    TextCorpus corpus =
        byPackage
            ? TextCorpus.whole(zip.toString(), kept, JdkSources::ofPackage, notices)
            : TextCorpus.of(zip.toString(), kept, notices);
    return corpus;
  }

  /** A package lies in one split as a whole. */
  private static Split ofPackage(TextCorpus.Document d) {
    return Split.ofPackage(d.name().substring(0, d.name().lastIndexOf('/') + 1));
  }

  /**
   * Writes the files that this selection takes into an archive of their own, uncompressed and in
   * order, always the same bytes: to be packed and carried to a machine whose JDK has no sources.
   * The stream stays open.
   *
   * @return their content hash
   */
  public String pack(Path zip, OutputStream target) throws IOException {
    List<Source> files = files(zip);
    ZipOutputStream out = new ZipOutputStream(target);
    for (Source s : files) {
      CRC32 crc = new CRC32();
      crc.update(s.bytes());
      ZipEntry e = new ZipEntry(s.name());
      e.setMethod(ZipEntry.STORED);
      e.setSize(s.bytes().length);
      e.setCrc(crc.getValue());
      e.setTimeLocal(java.time.LocalDateTime.of(2000, 1, 1, 0, 0));
      out.putNextEntry(e);
      out.write(s.bytes());
    }
    out.finish();
    return content(files);
  }

  private static String content(List<Source> files) {
    MessageDigest all = TextCorpus.sha256();
    MessageDigest one = TextCorpus.sha256();
    files.stream()
        .sorted(Comparator.comparing(Source::name))
        .forEach(s -> {
          all.update(s.name().getBytes(StandardCharsets.UTF_8));
          all.update((byte) 0);
          all.update(one.digest(s.bytes()));
        });
    return HexFormat.of().formatHex(all.digest());
  }

  private List<Source> files(Path zip) {
    if (!Files.isRegularFile(zip)) {
      throw new InputException(
          zip
              + ": this JDK has no sources; install its source package, point JAVA_HOME at a JDK that"
              + " has them, or take \"jdk_sources\" out of the recipe");
    }
    List<Source> out = new ArrayList<>();
    try (ZipFile archive = new ZipFile(zip.toFile())) {
      requireModules(archive, zip);
      List<? extends ZipEntry> entries =
          archive.stream()
              .filter(e -> taken(e.getName()))
              .sorted(
                  Comparator.comparingInt((ZipEntry e) -> rank(e.getName()))
                      .thenComparing(ZipEntry::getName))
              .toList();
      long chars = 0;
      for (ZipEntry e : entries) {
        if (chars >= maxChars) {
          break;
        }
        try (InputStream in = archive.getInputStream(e)) {
          Source s = new Source(e.getName(), in.readAllBytes());
          out.add(s);
          chars += s.bytes().length;
        }
      }
    } catch (IOException e) {
      throw new InputException(zip + ": cannot be read (" + e.getMessage() + ")", e);
    }
    return out;
  }

  private void requireModules(ZipFile archive, Path zip) {
    for (String m : modules) {
      if (archive.stream().noneMatch(e -> e.getName().startsWith(m + "/"))) {
        throw new InputException(
            zip + ": has no module " + m + ", which the recipe takes; use a whole JDK's src.zip");
      }
    }
  }

  private boolean taken(String name) {
    return name.endsWith(".java")
        && !name.endsWith("-info.java")
        && (modules.isEmpty() || rank(name) < modules.size())
        && without.stream().noneMatch(name::startsWith);
  }

  /** Place of the file's module in the selection. */
  private int rank(String name) {
    String module = name.substring(0, Math.max(0, name.indexOf('/')));
    if (modules.isEmpty()) {
      return module.equals("java.base") ? 0 : 1;
    }
    int at = modules.indexOf(module);
    return at < 0 ? modules.size() : at;
  }
}
