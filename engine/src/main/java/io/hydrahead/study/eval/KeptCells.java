package io.hydrahead.study.eval;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.json.Fields;
import io.hydrahead.tensor.InputException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;

/**
 * The finished cells of an arm and seed in one file, {@code cells.jsonl.gz}, one a line: how they
 * are kept when a study is over. While it runs each has a file of its own, {@code cells/*.json}.
 */
public final class KeptCells {
  private static final String FILE = "cells.jsonl.gz";

  private KeptCells() {}

  /**
   * Reads them.
   *
   * @param arm folder of the arm and seed
   * @return none where the file is not there
   * @throws InputException naming the file and the line that is damaged
   */
  public static List<CellResult> read(Path arm) {
    Path file = arm.resolve(FILE);
    List<CellResult> out = new ArrayList<>();
    try (BufferedReader in =
        new BufferedReader(
            new InputStreamReader(
                new GZIPInputStream(Files.newInputStream(file)), StandardCharsets.UTF_8))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        String place = file + " line " + (out.size() + 1);
        out.add(CellResult.read(Fields.parse(line, place, arm)));
      }
    } catch (NoSuchFileException none) {
      return List.of();
    } catch (IOException e) {
      throw new InputException(file + ": cannot be read (" + e.getMessage() + ")", e);
    }
    return out;
  }

  /** Whether there are any in an arm and seed's folder. */
  public static boolean there(Path arm) {
    return Files.isRegularFile(arm.resolve(FILE));
  }

  /** Writes the file anew. */
  public static void write(Path arm, List<CellResult> cells) {
    StringBuilder text = new StringBuilder();
    cells.forEach(c -> text.append(c.line()).append('\n'));
    AtomicFile.write(
        arm.resolve(FILE),
        out -> {
          GZIPOutputStream zip = new GZIPOutputStream(out); // whoever opened out closes it
          zip.write(text.toString().getBytes(StandardCharsets.UTF_8));
          zip.finish();
        });
  }

  /** Gives every cell a file of its own, where it has none, in place of the one file. */
  public static void unpack(Path arm) {
    for (CellResult c : read(arm)) {
      Path own = cell(arm, c.spec());
      if (!Files.exists(own)) {
        c.write(own);
      }
    }
    try {
      Files.deleteIfExists(arm.resolve(FILE));
    } catch (IOException e) {
      throw new InputException(arm.resolve(FILE) + ": cannot be removed (" + e + ")", e);
    }
  }

  /** The file of one cell. */
  static Path cell(Path arm, CellSpec spec) {
    return arm.resolve("cells").resolve(spec.file());
  }
}
