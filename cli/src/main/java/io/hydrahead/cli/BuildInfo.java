package io.hydrahead.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/** Which build this is: for {@code --version} and for the source fields of every result. */
final class BuildInfo {
  private BuildInfo() {}

  /** The project's version. */
  static String version() {
    Properties p = new Properties();
    try (InputStream in = BuildInfo.class.getResourceAsStream("build.properties")) {
      if (in != null) {
        p.load(in);
      }
    } catch (IOException e) {
      return "unknown";
    }
    return p.getProperty("version", "unknown");
  }

  /** The repository's root as the launcher found it, or the working directory. */
  static Path home() {
    return Path.of(System.getProperty("hydrahead.home", "."));
  }

  /** The checked-out commit, or {@code "unknown"} outside a clone. */
  static String commit() {
    try {
      Path git = home().resolve(".git");
      if (Files.isRegularFile(git)) { // a linked work tree
        git = home().resolve(Files.readString(git).strip().replaceFirst("^gitdir: ", ""));
      }
      String head = Files.readString(git.resolve("HEAD")).strip();
      if (!head.startsWith("ref: ")) {
        return head;
      }
      String ref = head.substring(5);
      Path common = git;
      if (Files.exists(git.resolve("commondir"))) {
        common = git.resolve(Files.readString(git.resolve("commondir")).strip());
      }
      if (Files.exists(common.resolve(ref))) {
        return Files.readString(common.resolve(ref)).strip();
      }
      for (String line : Files.readAllLines(common.resolve("packed-refs"))) {
        if (line.endsWith(" " + ref)) {
          return line.substring(0, line.indexOf(' '));
        }
      }
    } catch (IOException e) {
      return "unknown";
    }
    return "unknown";
  }
}
