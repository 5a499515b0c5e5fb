package io.hydrahead.tokenizer.template;

/** Counts what a rendering takes and stops it at its {@link Limits}. */
final class Meter {
  private static final int PER_STEP = 16;

  private final Limits limits;
  private long left;
  private int calls;

  Meter(Limits limits) {
    this.limits = limits;
    this.left = limits.work();
  }

  /** One operation. */
  void step() {
    charge(1);
  }

  /** {@code size} characters or items that are made or looked through. */
  void size(long size) {
    if (size > limits.output()) {
      throw limit("more than " + limits.output() + " characters or items at once");
    }
    charge(size / PER_STEP + 1);
  }

  /** {@code s}, counted. */
  String text(String s) {
    size(s.length());
    return s;
  }

  private void charge(long steps) {
    left -= steps;
    if (left < 0) {
      throw limit("more than " + limits.work() + " steps; does it loop?");
    }
  }

  void enterCall() {
    if (++calls > limits.calls()) {
      throw limit("macros call each other more than " + limits.calls() + " deep");
    }
  }

  void leaveCall() {
    calls--;
  }

  /** Fails if the result has grown beyond what it may. */
  void output(int length) {
    if (length > limits.output()) {
      throw limit("the result has more than " + limits.output() + " characters");
    }
  }

  private static Failure limit(String message) {
    return new Failure(Failure.Kind.LIMIT, "the template takes too much: " + message);
  }
}
