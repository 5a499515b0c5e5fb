package io.hydrahead.study.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.study.StudyFolder;
import io.hydrahead.study.StudyStage;
import io.hydrahead.tensor.Progress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Workers of one process, on units that only write down that they were made. */
class WorkerTest {
  @TempDir Path folder;
  private Ledger ledger = new Ledger(1);
  private final Map<String, Unit> all = new LinkedHashMap<>();
  private final Set<String> output = ConcurrentHashMap.newKeySet();
  private final List<String> order = Collections.synchronizedList(new ArrayList<>());
  private final AtomicReference<String> line = new AtomicReference<>("");

  private interface Work {
    void run() throws InterruptedException;
  }

  /** A unit that needs nothing and goes on beside others. */
  private void unit(String name, Work work) {
    unit(name, List.of(), false, work);
  }

  private void unit(String name, List<String> needs, boolean alone, Work work) {
    Runnable run =
        () -> {
          try {
            work.run();
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
          order.add(name);
          output.add(name);
        };
    all.put(
        name,
        new Unit(
            name,
            StudyStage.TRAIN,
            "",
            0,
            needs,
            "",
            Size.NONE,
            () -> output.contains(name),
            run,
            alone));
  }

  private Surroundings around(Progress progress) {
    Machine none =
        _ -> {
          throw new IllegalStateException("no device is needed");
        };
    return new Surroundings(List.of(none), progress, _ -> {}, Map.of(), "", "", 1, 1);
  }

  /** Runs a worker on each of these devices to their end. */
  private void work(WorkersProgress progress, int... devices) throws InterruptedException {
    List<Thread> threads = new ArrayList<>();
    for (int device : devices) {
      threads.add(start(progress, device));
    }
    for (Thread t : threads) {
      t.join();
    }
  }

  private Thread start(WorkersProgress progress, int device) {
    Surroundings own = around(progress.add(_ -> {}));
    List<Unit> wanted = List.copyOf(all.values());
    return Thread.ofPlatform()
        .name("device " + device)
        .start(() -> {
          try {
            new Worker(new StudyFolder(folder), own, all, wanted, ledger, device).work();
          } catch (RuntimeException e) {
            ledger.ended(e);
          }
        });
  }

  private WorkersProgress progress() {
    Progress outer =
        new Progress() {
          @Override
          public void begin(String what, long total, String unit) {}

          @Override
          public void advance(long done, String note) {
            line.set(done + ": " + note);
          }

          @Override
          public void end() {}

          @Override
          public boolean cancelled() {
            return false;
          }
        };
    return new WorkersProgress(outer, all.size(), ledger::count, ledger::stopped);
  }

  @Test
  void everyUnitIsMadeOnceAfterWhatItNeedsAndSomeAlone() throws InterruptedException {
    AtomicInteger atWork = new AtomicInteger();
    List<Integer> beside = Collections.synchronizedList(new ArrayList<>());
    CountDownLatch both = new CountDownLatch(2);
    Work meet =
        () -> {
          atWork.incrementAndGet();
          both.countDown();
          assertThat(both.await(20, TimeUnit.SECONDS)).as("two at once").isTrue();
          atWork.decrementAndGet();
        };
    unit("a", List.of(), false, meet);
    unit("b", List.of(), false, meet);
    unit("c", List.of("a", "b"), false, () -> {});
    unit("alone", List.of(), true, () -> beside.add(atWork.get()));
    for (int i = 0; i < 20; i++) {
      unit(
          "more " + i,
          List.of("c"),
          false,
          () -> {
            atWork.incrementAndGet();
            Thread.sleep(1);
            atWork.decrementAndGet();
          });
    }
    try (WorkersProgress p = progress()) {
      work(p, 0, 0, 0);
    }
    ledger.rethrow();
    assertThat(order).hasSize(24).doesNotHaveDuplicates().containsAll(all.keySet());
    assertThat(order.indexOf("c")).isGreaterThan(Math.max(order.indexOf("a"), order.indexOf("b")));
    assertThat(beside).containsExactly(0);
    assertThat(ledger.count()).isEqualTo(24);
    assertThat(line.get()).isEqualTo("24: ");
  }

  /** Long enough for a worker to have looked at all units twice. */
  private static final long TWO_LOOKS_MILLIS = 800;

  private final Map<String, String> madeOn = new ConcurrentHashMap<>();

  private void madeHere(String unit) {
    madeOn.put(unit, Thread.currentThread().getName());
  }

  @Test
  void aUnitWaitsForTheDeviceWithLeastWork() throws InterruptedException {
    ledger = new Ledger(2);
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch both = new CountDownLatch(2);
    for (String name : List.of("first", "second")) {
      unit(
          name,
          () -> {
            madeHere(name);
            begun.countDown();
            both.countDown();
            both.await(20, TimeUnit.SECONDS);
          });
    }
    WorkersProgress p = progress();
    List<Thread> threads = new ArrayList<>(List.of(start(p, 0), start(p, 0)));
    assertThat(begun.await(20, TimeUnit.SECONDS)).isTrue();
    Thread.sleep(TWO_LOOKS_MILLIS);
    threads.add(start(p, 1));
    for (Thread t : threads) {
      t.join();
    }
    ledger.rethrow();
    assertThat(madeOn).isEqualTo(Map.of("first", "device 0", "second", "device 1"));
  }

  @Test
  void aUnitThatMustBeAloneKeepsOnlyItsOwnDevice() throws InterruptedException {
    ledger = new Ledger(2);
    CountDownLatch others = new CountDownLatch(3);
    CountDownLatch two = new CountDownLatch(2);
    List<Boolean> madeMeanwhile = Collections.synchronizedList(new ArrayList<>());
    unit(
        "alone",
        List.of(),
        true,
        () -> {
          madeHere("alone");
          madeMeanwhile.add(others.await(20, TimeUnit.SECONDS));
        });
    for (String name : List.of("x", "y", "z")) {
      unit(
          name,
          () -> {
            madeHere(name);
            two.countDown();
            two.await(20, TimeUnit.SECONDS); // the other device's workers are both at work
            Thread.sleep(TWO_LOOKS_MILLIS); // while a unit is left for the worker beside "alone"
            others.countDown();
          });
    }
    work(progress(), 0, 1, 0, 1);
    ledger.rethrow();
    assertThat(madeMeanwhile).containsExactly(true);
    String other = madeOn.get("alone").equals("device 0") ? "device 1" : "device 0";
    assertThat(madeOn)
        .containsEntry("x", other)
        .containsEntry("y", other)
        .containsEntry("z", other);
  }

  @Test
  void aFailureStopsTheOthersAndNamesItsUnit() throws InterruptedException {
    CountDownLatch begun = new CountDownLatch(1);
    WorkersProgress p = progress();
    Progress patient = p.add(_ -> {});
    unit(
        "patient",
        () -> {
          patient.begin("reading", 4, "texts");
          patient.advance(1, "well");
          begun.countDown();
          while (!patient.cancelled()) {
            Thread.sleep(1);
          }
          patient.throwIfCancelled();
        });
    unit(
        "broken",
        () -> {
          assertThat(begun.await(20, TimeUnit.SECONDS)).isTrue();
          assertThat(line.get()).contains("reading 25% well");
          throw new IllegalStateException("out of order");
        });
    unit("never", List.of("broken"), false, () -> {});
    work(p, 0, 0);
    assertThatThrownBy(ledger::rethrow).hasMessageContainingAll("broken", "out of order");
    assertThat(order).isEmpty();
    assertThat(new StudyFolder(folder).failure("broken")).exists();
    assertThat(new StudyFolder(folder).failure("patient")).doesNotExist();
    assertThat(Claim.taken(new StudyFolder(folder).claim("patient"))).isFalse();
  }

  @Test
  void interruptedWorkersSayWhereTheyWere() throws InterruptedException {
    CountDownLatch both = new CountDownLatch(2);
    for (String name : List.of("one", "two")) {
      unit(
          name,
          () -> {
            both.countDown();
            both.await();
            throw new CancellationException("interrupted");
          });
    }
    try (WorkersProgress p = progress()) {
      work(p, 0, 0);
    }
    assertThatThrownBy(ledger::rethrow)
        .isInstanceOf(CancellationException.class)
        .hasMessageContainingAll("interrupted in one;", "interrupted in two;", "goes on");
    assertThat(Files.exists(new StudyFolder(folder).failure("one"))).isFalse();
  }

  @Test
  void whatNoPageShowsIsToldFromTheRest() {
    run(StudyStage.TOKENIZER, "");
    run(StudyStage.EVAL, ""); // haystacks
    assertThat(ledger.count()).isEqualTo(2);
    assertThat(ledger.shown()).isFalse();
    run(StudyStage.EVAL, "arm");
    assertThat(ledger.shown()).isTrue();
  }

  private void run(StudyStage stage, String arm) {
    String name = stage + arm;
    all.put(
        name,
        new Unit(
            name,
            stage,
            arm,
            0,
            List.of(),
            "",
            Size.NONE,
            () -> output.contains(name),
            () -> output.add(name)));
    new Worker(
            new StudyFolder(folder),
            around(Progress.SILENT),
            all,
            List.copyOf(all.values()),
            ledger,
            0)
        .work();
  }
}
