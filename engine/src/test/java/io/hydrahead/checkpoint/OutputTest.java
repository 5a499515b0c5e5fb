package io.hydrahead.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.hydrahead.ChildJvm;
import io.hydrahead.json.Json;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OutputTest {
  @TempDir Path dir;

  private List<String> names() throws IOException {
    try (Stream<Path> s = Files.list(dir)) {
      return s.map(p -> p.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void fileIsReplacedWhole() throws IOException {
    Path f = dir.resolve("a/b/x.json");
    AtomicFile.write(f, "one");
    AtomicFile.write(f, "two");
    assertThat(f).hasContent("two");
    assertThatThrownBy(() -> AtomicFile.write(f, Json.of(1), false))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("--force");
    assertThat(f).hasContent("two");
    AtomicFile.write(f, Json.of(1), true);
    assertThat(f).hasContent("1\n");
  }

  @Test
  void failedFileLeavesTheOldAndNothingElse() throws IOException {
    Path f = dir.resolve("x");
    AtomicFile.write(f, "old");
    assertThatThrownBy(() ->
            AtomicFile.write(
                f,
                out -> {
                  out.write(new byte[100_000]);
                  throw new FileSystemException("x", null, "No space left on device");
                }))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("No space left")
        .hasMessageContaining("free some space");
    assertThat(f).hasContent("old");
    Path nested = dir.resolve("p/q/y");
    assertThatThrownBy(() ->
            AtomicFile.write(
                nested,
                out -> {
                  throw new IllegalStateException("bug");
                }))
        .isInstanceOf(IllegalStateException.class);
    assertThat(names()).containsExactly("x");
  }

  @Test
  void aPrivateFileIsItsOwnersAlone() throws IOException {
    assumeTrue(Files.getFileStore(dir).supportsFileAttributeView("posix"), "needs permissions");
    Path f = dir.resolve("a/b/x");
    Files.createDirectory(dir.resolve("a"));
    Set<PosixFilePermission> usual = Files.getPosixFilePermissions(dir.resolve("a"));
    AtomicFile.write(dir.resolve("a/open"), "one");
    AtomicFile.writePrivate(
        f,
        out -> {
          try (Stream<Path> s = Files.list(dir.resolve("a/b"))) { // from the first byte on
            assertThat(s.map(OutputTest::mode)).containsExactly("rw-------");
          }
          out.write('1');
        });
    assertThat(f).hasContent("1");
    assertThat(mode(f)).isEqualTo("rw-------");
    assertThat(mode(dir.resolve("a/b"))).isEqualTo("rwx------");
    assertThat(Files.getPosixFilePermissions(dir.resolve("a"))).isEqualTo(usual);
    AtomicFile.write(f, "2");
    AtomicFile.writePrivate(dir.resolve("a/open"), out -> out.write('3'));
    assertThat(mode(dir.resolve("a/open"))).isEqualTo("rw-------");
  }

  private static String mode(Path p) {
    try {
      return PosixFilePermissions.toString(Files.getPosixFilePermissions(p));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void whatAKilledProcessLeftIsRemoved() throws IOException {
    Path f = dir.resolve("x");
    Path dead = Files.writeString(dir.resolve(".x.tmp-1-abc"), "half");
    Path other = Files.writeString(dir.resolve(".y.tmp-1-abc"), "half");
    Path busy = Files.writeString(dir.resolve(".x.tmp-2-abc"), "half");
    FileTime old = FileTime.from(Instant.now().minusSeconds(100));
    Files.setLastModifiedTime(dead, old);
    Files.setLastModifiedTime(other, old);
    AtomicFile.removeLeft(f, Duration.ofSeconds(50));
    assertThat(dead).doesNotExist();
    assertThat(other).exists();
    assertThat(busy).exists();
    AtomicFile.removeLeft(dir.resolve("none/x"), Duration.ofSeconds(50));
  }

  @Test
  void targetBelowAFileOrInReadOnlyPlace() throws IOException {
    Files.writeString(dir.resolve("file"), "");
    assertThatThrownBy(() -> AtomicFile.write(dir.resolve("file/x"), "a"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("cannot be written");
    assertThatThrownBy(() -> OutputFolder.begin(dir.resolve("file/x"), true))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("choose another place");
    assertThatThrownBy(() -> AtomicFile.write(Path.of("/proc/hydrahead/x"), "a"))
        .isInstanceOf(InputException.class);
    assertThat(names()).containsExactly("file");
  }

  @Test
  void whatCannotBeWrittenIsKnownBeforehand() throws IOException {
    Files.writeString(dir.resolve("file"), "");
    assertThatThrownBy(() -> AtomicFile.requireReady(dir.resolve("file/a/x"), true, "--json"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("file is a file; choose another --json");
    assertThatThrownBy(() -> OutputFolder.requireReady(dir.resolve("file/x"), true))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("file is a file; choose another -o");
    AtomicFile.requireReady(dir.resolve("new/folder/x"), false, "-o");
    OutputFolder.requireReady(dir.resolve("new/folder/x"), false);
    Path shut = Files.createDirectory(dir.resolve("shut"));
    if (shut.toFile().setWritable(false) && !Files.isWritable(shut)) { // not for root
      assertThatThrownBy(() -> AtomicFile.requireReady(shut.resolve("x"), true, "--json"))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("permission denied; choose another --json");
    }
    Files.delete(shut);
    String endless = "x".repeat(300);
    assertThatThrownBy(() -> AtomicFile.requireReady(dir.resolve(endless), true, "--json"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("too long; choose another --json");
    assertThatThrownBy(() -> AtomicFile.write(dir.resolve("new/" + endless + "/x"), "a"))
        .isInstanceOf(InputException.class);
    assertThat(names()).containsExactly("file");
  }

  /** There root has every permission, and still nobody can write. */
  @Test
  void whatOnlyATrialShowsIsKnownBeforehand() {
    assumeTrue(Files.isDirectory(Path.of("/proc/self")), "needs /proc");
    for (String place : new String[] {"/proc/x.json", "/proc/x/y/z.json"}) {
      assertThatThrownBy(() -> AtomicFile.requireReady(Path.of(place), false, "--json"))
          .isInstanceOf(InputException.class)
          .hasMessageStartingWith(place + ": cannot be written: ")
          .hasMessageContaining("choose another --json");
      assertThatThrownBy(() -> OutputFolder.requireReady(Path.of(place), false))
          .isInstanceOf(InputException.class)
          .hasMessageStartingWith(place + ": cannot be written: ");
    }
    for (String place : new String[] {"/proc", "/proc/x"}) {
      assertThatThrownBy(() -> OutputFolder.requireUsable(Path.of(place)))
          .isInstanceOf(InputException.class)
          .hasMessageStartingWith(place + ": cannot be written: ");
    }
  }

  @Test
  void devicesAreNotReplaced() {
    Path none = Path.of("/dev/null");
    assumeTrue(Files.exists(none), "needs " + none);
    assertThatThrownBy(() -> AtomicFile.requireReady(none, true, "--json"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("is a device or a pipe and is not replaced; choose another --json");
    assertThatThrownBy(() -> OutputFolder.requireReady(none, true))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("is a file, a folder is to be written");
  }

  @Test
  void aTargetInUseIsKnownBeforehand() {
    Path target = dir.resolve("model");
    try (OutputFolder _ = OutputFolder.begin(target, false)) {
      assertThatThrownBy(() -> OutputFolder.requireReady(target, true))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("another run");
    }
    OutputFolder.requireReady(target, false);
  }

  @Test
  void folderAppearsAtCommitOnly() throws IOException {
    Path target = dir.resolve("parent/model");
    try (OutputFolder out = OutputFolder.begin(target, false)) {
      Files.writeString(out.path().resolve("f"), "new");
      assertThat(target).doesNotExist();
    }
    assertThat(names()).isEmpty();
    try (OutputFolder out = OutputFolder.begin(target, false)) {
      Files.createDirectory(out.path().resolve("sub"));
      Files.writeString(out.path().resolve("sub/f"), "new");
      out.commit();
    }
    assertThat(target.resolve("sub/f")).hasContent("new");
    assertThat(dir.resolve("parent").toFile().list()).containsExactly("model");
  }

  @Test
  void existingFolderNeedsForce() throws IOException {
    Path target = dir.resolve("model");
    Files.createDirectory(target);
    OutputFolder.begin(target, false).close(); // empty is free
    Files.writeString(target.resolve("f"), "old");
    assertThatThrownBy(() -> OutputFolder.begin(target, false))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("--force");
    try (OutputFolder out = OutputFolder.begin(target, true)) {
      Files.writeString(out.path().resolve("g"), "new");
      assertThat(target.resolve("f")).hasContent("old");
      out.commit();
      assertThat(target.resolve("f")).doesNotExist();
      assertThat(target.resolve("g")).hasContent("new");
    }
    assertThat(names()).containsExactly("model");
  }

  @Test
  void neverReplacesTheWorkingFolder() {
    assertThatThrownBy(() -> OutputFolder.begin(Path.of(".."), true))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("working");
  }

  @Test
  void twoRunsAreKeptApart() {
    Path target = dir.resolve("model");
    try (OutputFolder _ = OutputFolder.begin(target, false)) {
      assertThatThrownBy(() -> OutputFolder.begin(target, false))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("another run");
    }
    OutputFolder.begin(target, false).close();
  }

  @Test
  void crashBetweenTheTwoRenamesIsRepaired() throws IOException {
    Path target = dir.resolve("model");
    Files.createDirectories(dir.resolve(".model.old"));
    Files.writeString(dir.resolve(".model.old/f"), "old");
    Files.createDirectories(dir.resolve(".model.tmp-1-x/sub"));
    assertThatThrownBy(() -> OutputFolder.begin(target, false))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("--force");
    assertThat(target.resolve("f")).hasContent("old");
    OutputFolder.begin(target, true).close();
    assertThat(names()).containsExactly("model");
  }

  @Test
  void swapWithoutTheSystemsHelp() throws IOException {
    Path target = Files.createDirectory(dir.resolve("model"));
    Path fresh = Files.createDirectory(dir.resolve("fresh"));
    Path old = dir.resolve("old");
    Files.writeString(target.resolve("f"), "old");
    assertThatThrownBy(() -> FolderSwap.renameTwice(dir.resolve("missing"), target, old))
        .isInstanceOf(IOException.class);
    assertThat(target.resolve("f")).hasContent("old");
    Files.writeString(fresh.resolve("f"), "new");
    FolderSwap.renameTwice(fresh, target, old);
    assertThat(target.resolve("f")).hasContent("new");
    assertThat(old.resolve("f")).hasContent("old");
  }

  @Test
  void spaceIsCheckedBefore() {
    try (OutputFolder out = OutputFolder.begin(dir.resolve("m"), false)) {
      out.requireSpace(1);
      assertThatThrownBy(() -> out.requireSpace(Long.MAX_VALUE))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("free some space");
    }
  }

  @Test
  void interruptedProcessLeavesNothing() throws Exception {
    Path target = dir.resolve("new/model");
    Process p = start(Endless.class, target);
    assertThat(p.getInputStream().read()).isEqualTo('r');
    assertThat(dir.resolve("new").toFile().list()).anyMatch(n -> n.startsWith(".model.tmp-"));
    assertThatThrownBy(() -> OutputFolder.begin(target, true)).hasMessageContaining("another run");
    p.destroy(); // SIGTERM runs the same hooks as Ctrl-C
    assertThat(p.waitFor(20, TimeUnit.SECONDS)).isTrue();
    assertThat(names()).isEmpty();
  }

  private static Process start(Class<?> program, Path target) throws IOException {
    List<String> flags =
        List.of(
            "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED");
    return ChildJvm.of(flags, program, target)
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start();
  }

  /** Killed at any moment of a forced overwrite, the target is there and all of one version. */
  @Test
  void killedProcessLeavesOldOrNew() throws Exception {
    Path target = dir.resolve("model");
    Random random = new Random();
    for (int kill = 0; kill < 4; kill++) {
      Process p = start(Overwriter.class, target);
      assertThat(p.getInputStream().read()).isEqualTo('r');
      Thread.sleep(random.nextInt(60));
      p.destroyForcibly();
      assertThat(p.waitFor(20, TimeUnit.SECONDS)).isTrue();
      String version = Files.readString(target.resolve("f0"));
      assertThat(version).isNotEmpty();
      for (int i = 1; i < Overwriter.FILES; i++) {
        assertThat(target.resolve("f" + i)).hasContent(version);
      }
    }
    OutputFolder.begin(target, true).close();
    assertThat(names()).containsExactly("model");
  }

  /** Overwrites a folder with ever new versions of a few files. */
  static final class Overwriter {
    static final int FILES = 5;

    public static void main(String[] args) {
      for (int version = 0; ; version++) {
        try (OutputFolder out = OutputFolder.begin(Path.of(args[0]), true)) {
          for (int i = 0; i < FILES; i++) {
            AtomicFile.write(out.path().resolve("f" + i), "version " + version);
          }
          out.commit();
        }
        if (version == 0) {
          System.out.print('r');
          System.out.flush();
        }
      }
    }
  }

  /** Writes into an output folder until it is stopped. */
  static final class Endless {
    public static void main(String[] args) throws Exception {
      OutputFolder out = OutputFolder.begin(Path.of(args[0]), false);
      for (int i = 0; ; i++) {
        Files.writeString(out.path().resolve("f" + i), "x".repeat(1000));
        if (i == 3) {
          System.out.print('r');
          System.out.flush();
        }
        Thread.sleep(1);
      }
    }
  }
}
