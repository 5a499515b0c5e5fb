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

/** What the workers of a run tell each other. */
final class Ledger {
  private final Set<String> done = ConcurrentHashMap.newKeySet();
  private final Map<String, String> failures = Collections.synchronizedMap(new LinkedHashMap<>());
  private final AtomicInteger made = new AtomicInteger();
  private volatile boolean shown;
  private final DeviceLoad devices;
  private final List<String> interrupted = new ArrayList<>();
  private Throwable broken;
  private volatile boolean stopped;

  Ledger(int devices) {
    this.devices = new DeviceLoad(devices);
  }

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

  /** Names of what a unit needs and is not there. */
  List<String> lacks(Unit u, Map<String, Unit> all) {
    return u.needs().stream().filter(n -> !done(all.get(n))).toList();
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

  /** A unit was made whose output a page shows. */
  void show() {
    shown = true;
  }

  /** Whether a worker of this run has made something that a page shows. */
  boolean shown() {
    return shown;
  }

  /** What each device is doing. */
  DeviceLoad devices() {
    return devices;
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
