package io.hydrahead;

import java.nio.file.Files;
import java.nio.file.Path;

/** The repository that the tests run in. */
public final class Repository {
  private Repository() {}

  /** Its root, the folder of the launcher. */
  public static Path root() {
    Path p = Path.of("").toAbsolutePath();
    while (!Files.exists(p.resolve("hydrahead"))) {
      p = p.getParent();
    }
    return p;
  }
}
