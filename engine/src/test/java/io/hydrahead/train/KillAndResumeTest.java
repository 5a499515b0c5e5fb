package io.hydrahead.train;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.ChildJvm;
import io.hydrahead.model.ParameterStore;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.Progress;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A training process that is killed at random moments ends with the bits of one that was not. */
class KillAndResumeTest {
  private static final int STEPS = 36;

  @TempDir Path folder;

  /** The process that is killed: trains, saves every third step, and prints a line a step. */
  static final class Child {
    public static void main(String[] args) throws IOException {
      Path run = Path.of(args[0]);
      int steps = Integer.parseInt(args[1]);
      try (Ops ops = OpsFactory.cpu(new OpsOptions(2, "java", false))) {
        Toy.Job job = Toy.job(ops, steps / 2, steps - steps / 2, 3);
        TrainingRun.Outcome outcome = Toy.run(job, ops, run, new Lines()).run(true);
        if (!outcome.bitwise()) {
          throw new IllegalStateException("not bitwise: " + outcome.notes());
        }
        ParameterStore p = job.learner().model().parameters();
        try (var out = Files.newOutputStream(run.resolve("parameters"))) {
          for (String name : p.names()) {
            out.write(p.get(name).segment().toArray(java.lang.foreign.ValueLayout.JAVA_BYTE));
          }
        }
      }
    }
  }

  private static final class Lines implements Progress {
    @Override
    public void begin(String what, long total, String unit) {}

    @Override
    public void advance(long done, String note) {
      System.out.println(done);
      System.out.flush();
    }

    @Override
    public void end() {}

    @Override
    public boolean cancelled() {
      return false;
    }
  }

  private static Process start(Path run, int steps) throws IOException {
    List<String> flags =
        List.of(
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Xmx128m",
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED");
    return ChildJvm.of(flags, Child.class, run, steps)
        .redirectError(run.resolveSibling(run.getFileName() + ".stderr").toFile())
        .start();
  }

  private static void finish(Path run, int steps) throws IOException, InterruptedException {
    Process child = start(run, steps);
    child.getInputStream().transferTo(java.io.OutputStream.nullOutputStream());
    assertThat(child.waitFor(120, TimeUnit.SECONDS)).isTrue();
    assertThat(child.exitValue()).as(() -> stderr(run)).isZero();
  }

  private static String stderr(Path run) {
    try {
      return Files.readString(run.resolveSibling(run.getFileName() + ".stderr"));
    } catch (IOException e) {
      return e.toString();
    }
  }

  private void killsAndCompares(int kills, int steps, long seed) throws Exception {
    Path whole = folder.resolve("whole");
    finish(whole, steps);
    Path killed = folder.resolve("killed");
    Random random = new Random(seed);
    for (int kill = 0; kill < kills; kill++) {
      Process child = start(killed, steps);
      try (BufferedReader lines = child.inputReader(StandardCharsets.US_ASCII)) {
        int stepsToLive = 1 + random.nextInt(2 * steps / Math.max(kills, 1) + 4);
        for (int i = 0; i < stepsToLive && lines.readLine() != null; i++) {}
        TimeUnit.MICROSECONDS.sleep(random.nextInt(8_000));
        child.destroyForcibly();
        assertThat(child.waitFor(30, TimeUnit.SECONDS)).isTrue();
      }
    }
    finish(killed, steps);
    assertThat(Files.mismatch(whole.resolve("parameters"), killed.resolve("parameters")))
        .as("seed %d", seed)
        .isEqualTo(-1);
  }

  @Test
  @Timeout(120)
  void fourKills() throws Exception {
    killsAndCompares(4, STEPS, System.nanoTime());
  }

  @Test
  @Tag("slow")
  void twoHundredKills() throws Exception {
    killsAndCompares(200, 1_500, System.nanoTime());
  }
}
