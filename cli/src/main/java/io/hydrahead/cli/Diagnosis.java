package io.hydrahead.cli;

import java.util.Locale;

/**
 * One line of {@code doctor}.
 *
 * @param what the thing looked at
 * @param found what it is like here
 * @param fix how to mend it; empty when nothing is to be done
 */
record Diagnosis(String what, Status status, String found, String fix) {

  /** How bad it is. */
  enum Status {
    OK,
    WARN,
    FAIL;

    String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  static Diagnosis ok(String what, String found) {
    return new Diagnosis(what, Status.OK, found, "");
  }

  static Diagnosis warn(String what, String found, String fix) {
    return new Diagnosis(what, Status.WARN, found, fix);
  }

  static Diagnosis fail(String what, String found, String fix) {
    return new Diagnosis(what, Status.FAIL, found, fix);
  }
}
