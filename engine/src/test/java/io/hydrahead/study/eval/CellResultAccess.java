package io.hydrahead.study.eval;

import java.nio.file.Path;

/** Writes cells for tests of what reads them. */
public final class CellResultAccess {
  private CellResultAccess() {}

  public static void write(CellResult cell, Path file) {
    cell.write(file);
  }
}
