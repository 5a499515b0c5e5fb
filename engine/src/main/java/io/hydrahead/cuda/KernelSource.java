package io.hydrahead.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A {@code .cu} resource with every header it includes, by name. Headers are resources beside the
 * source or in this package; there are no others, least of all the system's.
 *
 * @param name file name, as it appears in the compiler's messages
 */
record KernelSource(String name, String text, Map<String, String> headers) {
  private static final Pattern INCLUDE =
      Pattern.compile("^\\s*#\\s*include\\s+\"([^\"]+)\"", Pattern.MULTILINE);

  /** The folder that headers of all rooms lie in. */
  private static final String SHARED = "/io/hydrahead/cuda";

  /**
   * Reads the resource {@code name} beside {@code room}.
   *
   * @throws IllegalArgumentException if it or a header is missing
   */
  static KernelSource read(Class<?> room, String name) {
    return at("/" + room.getPackageName().replace('.', '/'), name);
  }

  /** Reads the resource {@code name} in a folder, for example {@code /io/hydrahead/cuda}. */
  static KernelSource at(String folder, String name) {
    String text = resource(folder, name);
    if (text == null) {
      throw new IllegalArgumentException("no resource " + folder + "/" + name);
    }
    Map<String, String> headers = new LinkedHashMap<>();
    collect(folder, text, headers);
    return new KernelSource(name, text, headers);
  }

  private static void collect(String folder, String text, Map<String, String> headers) {
    Matcher m = INCLUDE.matcher(text);
    while (m.find()) {
      String name = m.group(1);
      if (!headers.containsKey(name)) {
        String own = resource(folder, name);
        String header = own == null ? resource(SHARED, name) : own;
        if (header == null) {
          throw new IllegalArgumentException(
              "no header " + name + " in " + folder + " or " + SHARED);
        }
        headers.put(name, header);
        collect(folder, header, headers);
      }
    }
  }

  private static String resource(String folder, String name) {
    try (InputStream in = KernelSource.class.getResourceAsStream(folder + "/" + name)) {
      return in == null ? null : new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** SHA-256, in hexadecimal, of everything the machine code depends on. */
  String key(List<String> options, String compiler) {
    MessageDigest sha;
    try {
      sha = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
    add(sha, compiler);
    options.forEach(o -> add(sha, o));
    add(sha, "");
    add(sha, name);
    add(sha, text);
    headers.forEach((header, content) -> {
      add(sha, header);
      add(sha, content);
    });
    return HexFormat.of().formatHex(sha.digest());
  }

  private static void add(MessageDigest sha, String part) {
    byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
    for (int shift = 0; shift < 32; shift += 8) {
      sha.update((byte) (bytes.length >>> shift));
    }
    sha.update(bytes);
  }
}
