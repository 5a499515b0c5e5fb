package io.hydrahead.cli;

/** Exit codes of the command line; a stable contract. */
final class ExitCode {
  /** Everything went well. */
  static final int OK = 0;

  /** The command ran, and what it checked does not hold. */
  static final int CHECK_FAILED = 1;

  /** Bad input: options, files, recipes. Nothing was written. */
  static final int BAD_INPUT = 2;

  /** A fault of the program. */
  static final int INTERNAL = 3;

  /** Stopped by a signal. */
  static final int INTERRUPTED = 130;

  private ExitCode() {}
}
