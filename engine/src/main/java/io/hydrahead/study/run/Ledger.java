package io.hydrahead.study.run;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/** What the workers of a run tell each other. */
final class Ledger {
  private final Set<String> done = ConcurrentHashMap.newKeySet();
  private final Map<String, String> failures = Collections.synchronizedMap(new LinkedHashMap<>());
  private final AtomicInteger made = new AtomicInteger();
  private final ReadWriteLock device = new ReentrantReadWriteLock();
  private final List<String> interrupted = new ArrayList<>();
  private Throwable broken;
  private volatile boolean stopped;

  /** Whether a unit's output is there; what once was is not looked for again. */
  boolean done(Unit u) {
    if (done.contains(u.name())) {
      return true;
    }
    boolean there = u.done().getAsBoolean();
    if (there) {
      done.add(u.name());
    }
    return there;
  }

  /** Units that could not be made, and why. */
  Map<String, String> failures() {
    return failures;
  }

  void made() {
    made.incrementAndGet();
  }

  /** Units that workers of this run have gone through, failures among them. */
  int count() {
    return made.get();
  }

  /** What to hold while a unit is made: some go beside others, some have the device alone. */
  Lock device(Unit u) {
    return u.alone() ? device.writeLock() : device.readLock();
  }

  /** Whether a worker has failed: the others are to stop. */
  boolean stopped() {
    return stopped;
  }

  void stop() {
    stopped = true;
  }

  /** A worker has ended by {@code t}. Only the first failure counts; others may be its echo. */
  synchronized void ended(Throwable t) {
    if (t instanceof CancellationException) {
      interrupted.add(t.getMessage());
    } else if (broken == null) {
      broken = t;
      stopped = true;
    }
  }

  /** Passes on that a worker failed, or that workers were interrupted. */
  synchronized void rethrow() {
    switch (broken) {
      case null -> {}
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      default -> throw new IllegalStateException(broken);
    }
    if (!interrupted.isEmpty()) {
      throw new CancellationException(String.join("\n", new LinkedHashSet<>(interrupted)));
    }
  }
}
