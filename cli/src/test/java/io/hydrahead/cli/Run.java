package io.hydrahead.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;

/** One command line run in this process, and what came of it. */
record Run(int code, String out, String err) {

  /** Without a terminal, as in a pipe. */
  static Run of(Object... args) {
    return at(0, args);
  }

  /** With a terminal of some width behind stderr. */
  static Run at(int columns, Object... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] words = new String[args.length];
    for (int i = 0; i < words.length; i++) {
      words[i] = args[i].toString();
    }
    int code =
        HydraHead.run(
            new Terminal(new PrintWriter(out), new PrintWriter(err), columns, false), words);
    return new Run(code, out.toString(), err.toString());
  }

  /** Root of the repository. */
  static Path home() {
    Path p = Path.of("").toAbsolutePath();
    while (!Files.exists(p.resolve("hydrahead"))) {
      p = p.getParent();
    }
    return p;
  }

  /** A small checkpoint with golden tensors made by transformers. */
  static Path tiny() {
    return home().resolve("engine/src/test/resources/golden/qwen3-tiny");
  }
}
