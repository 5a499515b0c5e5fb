package io.hydrahead.ops;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What the bits of a computation depend on besides its inputs: two runs in equal environments
 * compute the same bits, in deterministic mode.
 *
 * @param build {@link #buildHash}
 * @param kernel the backend's description of itself
 * @param threads of the compute team
 * @param machine CPU model, architecture and Java version
 */
public record Environment(String build, String kernel, int threads, String machine) {

  /** The environment of this process with backend {@code ops}. */
  public static Environment of(Ops ops) {
    return new Environment(buildHash(), ops.description(), ops.pool().threads(), machineName());
  }

  /** What differs from {@code other}, one line each; empty when the bits will be the same. */
  public List<String> differences(Environment other) {
    List<String> out = new ArrayList<>();
    compare(out, "build", build, other.build);
    compare(out, "kernel", kernel, other.kernel);
    compare(out, "threads", "" + threads, "" + other.threads);
    compare(out, "machine", machine, other.machine);
    return out;
  }

  private static void compare(List<String> out, String what, String here, String there) {
    if (!here.equals(there)) {
      out.add(what + " is \"" + here + "\", the run began with \"" + there + "\"");
    }
  }

  /** The fields by their names. */
  public Map<String, Object> toMap() {
    return Map.of("build", build, "kernel", kernel, "threads", threads, "machine", machine);
  }

  private static String machineName() {
    String cpu = "";
    Path info = Path.of("/proc/cpuinfo");
    if (Files.isReadable(info)) {
      try (Stream<String> lines = Files.lines(info)) {
        cpu =
            lines
                .filter(l -> l.startsWith("model name"))
                .findFirst()
                .map(l -> l.substring(l.indexOf(':') + 1).strip() + ", ")
                .orElse("");
      } catch (IOException | UncheckedIOException e) {
        cpu = "";
      }
    }
    return cpu + System.getProperty("os.arch") + ", Java " + Runtime.version();
  }

  /** SHA-256 of the engine's own classes, first 16 hex digits. */
  public static String buildHash() {
    try {
      Path home =
          Path.of(Environment.class.getProtectionDomain().getCodeSource().getLocation().toURI());
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      if (Files.isRegularFile(home)) {
        sha.update(Files.readAllBytes(home));
      } else {
        try (Stream<Path> files = Files.walk(home)) {
          for (Path p : files.filter(f -> f.toString().endsWith(".class")).sorted().toList()) {
            sha.update(Files.readAllBytes(p));
          }
        }
      }
      return HexFormat.of().formatHex(sha.digest(), 0, 8);
    } catch (IOException | URISyntaxException e) {
      return "unknown";
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
