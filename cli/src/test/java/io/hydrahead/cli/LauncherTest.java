package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The real {@code ./hydrahead} as a process of its own. */
class LauncherTest {
  @TempDir Path temporary;
  private final List<Path> links = new ArrayList<>();

  @BeforeAll
  static void needsAShell() {
    assumeTrue(Files.exists(Path.of("/bin/sh")), "needs a POSIX shell");
    assumeTrue(Files.exists(Run.home().resolve("cli/target/lib")), "needs the built libraries");
  }

  private Path link(Path link, Path target) throws IOException {
    links.add(link);
    return Files.createSymbolicLink(link, target);
  }

  @AfterEach
  void removeLinks() throws IOException {
    for (Path link : links) {
      Files.delete(link);
    }
  }

  private Run launch(Path cwd, Map<String, String> environment, Object... words) {
    List<String> command = new ArrayList<>();
    for (Object w : words) {
      command.add(w.toString());
    }
    try {
      Path out = temporary.resolve("stdout");
      Path err = temporary.resolve("stderr");
      ProcessBuilder b = new ProcessBuilder(command).directory(cwd.toFile());
      b.redirectOutput(out.toFile()).redirectError(err.toFile());
      b.environment().put("HYDRAHEAD_NO_BUILD", "1");
      b.environment().putAll(environment);
      Process p = b.start();
      assertThat(p.waitFor(60, TimeUnit.SECONDS)).as("ended in time").isTrue();
      return new Run(p.exitValue(), Files.readString(out), Files.readString(err));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void worksThroughALinkFromAFolderWithSpaces() throws IOException {
    Path folder = Files.createDirectory(temporary.resolve("a folder"));
    Path link = link(folder.resolve("hh"), Run.home().resolve("hydrahead"));
    Run r = launch(folder, Map.of(), link, "info", Run.tiny(), "--json");
    assertThat(r.code()).as(r.err()).isZero();
    assertThat(r.out()).startsWith("{").contains("\"schema_version\"");
  }

  @Test
  void passesTheFlagsThatTheEngineWants() {
    Run r = launch(temporary, Map.of(), Run.home().resolve("hydrahead"), "doctor");
    assertThat(r.code()).as(r.err()).isZero();
    assertThat(r.err()).as("no word of incubating modules").isEmpty();
    assertThat(r.out())
        .containsPattern("ok +native access")
        .containsPattern("\\d+ bits, \\d+ float");
  }

  /** Else tests may take several times as long as the same work does in use. */
  @Test
  void testsRunWithTheCompilerFlagsThatItPasses() throws IOException {
    Matcher flag =
        Pattern.compile("-XX:Tier3\\w+=\\d+")
            .matcher(Files.readString(Run.home().resolve("hydrahead")));
    assertThat(flag.find()).isTrue();
    assertThat(ManagementFactory.getRuntimeMXBean().getInputArguments()).contains(flag.group());
  }

  @Test
  void showsWhatTheJvmItselfSays() throws Exception {
    Path launcher = Run.home().resolve("hydrahead");
    Run r = launch(temporary, Map.of("HYDRAHEAD_JVM_OPTS", "-XX:NoSuchFlag=1"), launcher, "info");
    assertThat(r.code()).isEqualTo(1);
    Path err = temporary.resolve("stderr"); // the filter may come to its last line after the JVM
    for (int i = 0; i < 500 && !Files.readString(err).contains("NoSuchFlag"); i++) {
      Thread.sleep(10);
    }
    assertThat(Files.readString(err)).contains("NoSuchFlag");
  }

  @Test
  void doesWithoutTheFilterWhereNoPipeCanBeMade() {
    Map<String, String> nowhere = Map.of("TMPDIR", temporary.resolve("none").toString());
    Run r = launch(temporary, nowhere, Run.home().resolve("hydrahead"), "info", "no such folder");
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err()).contains("hydrahead: no such folder");
  }

  @Test
  void runsFromACopySoThatAnotherBuildTakesNothingAway() throws IOException {
    Path launcher = Run.home().resolve("hydrahead");
    Map<String, String> building = Map.of("HYDRAHEAD_NO_BUILD", "");
    Path current = Run.home().resolve("cli/target/launch/current");
    for (int i = 0; i < 2; i++) {
      Run r = launch(temporary, building, launcher, "--version");
      assertThat(r.code()).as(r.err()).isZero();
      Path copy = Path.of(Files.readString(current).strip());
      assertThat(copy.resolve("cli/io/hydrahead/cli/Main.class")).exists();
      assertThat(copy.resolve("engine/io/hydrahead")).isDirectory();
    }
    try (var copies = Files.list(current.getParent())) {
      assertThat(copies.filter(Files::isDirectory).count()).isBetween(1L, 3L);
    }
  }

  @Test
  void handsOnExitCodes() {
    Run r = launch(temporary, Map.of(), Run.home().resolve("hydrahead"), "info", "no such folder");
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.out()).isEmpty();
    assertThat(r.err()).contains("hydrahead: no such folder");
  }

  /** Runs the launcher with {@code more}, such as redirections, at the end of a shell's line. */
  private Run shell(String words, String more) {
    String line = Run.home().resolve("hydrahead") + " " + words + " " + more;
    return launch(temporary, Map.of(), "/bin/sh", "-c", line);
  }

  @Test
  void dataThatIsLostIsAnError() {
    assumeTrue(Files.exists(Path.of("/dev/full")), "needs /dev/full");
    for (String words : List.of("info '" + Run.tiny() + "' --json", "completion", "--help")) {
      Run r = shell(words, "> /dev/full");
      assertThat(r.code()).as(words + r.err()).isEqualTo(ExitCode.BAD_INPUT);
      assertThat(r.err()).startsWith("hydrahead: stdout cannot be written: ").contains("space");
    }
    Run r = shell("completion", "| head -n 1; echo");
    assertThat(r.err()).as("a reader that has enough").isEmpty();
  }

  /** Whoever started it waits for the address. */
  @Test
  void aServerWhoseAddressIsLostEnds() {
    assumeTrue(Files.exists(Path.of("/dev/full")), "needs /dev/full");
    String model = Run.home().resolve("models/tiny-teacher").toString();
    Run r = shell("serve '" + model + "' -p 0 --device cpu", "> /dev/full");
    assertThat(r.code()).as(r.err()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err())
        .contains("the server's addresses cannot be written to stdout")
        .contains("stdout cannot be written: ")
        .doesNotContain("serving");
  }

  @Test
  void worksWithStreamsClosed() {
    String words = "tokenize '" + Run.home().resolve("models/tiny-teacher") + "' abc";
    Run whole = shell(words, "");
    assertThat(whole.code()).as(whole.err()).isZero();
    for (String closed : List.of("2>&-", "<&-", "<&- 2>&-")) {
      Run r = shell(words, closed);
      assertThat(r.code()).as(closed + r.err()).isZero();
      assertThat(r.out()).isEqualTo(whole.out());
      assertThat(r.err()).isEmpty();
    }
    Run r = shell(words, ">&-");
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err().lines())
        .singleElement()
        .asString()
        .startsWith("hydrahead: stdout cannot be written: ");
  }

  @Test
  void worksWhenTheFirstJavaOnThePathIsTooOld() throws IOException {
    Path bin = Files.createDirectories(temporary.resolve("old jdk/bin"));
    for (String tool : List.of("java", "javac")) {
      Path file = bin.resolve(tool);
      Files.writeString(file, "#!/bin/sh\necho 'openjdk version \"17.0.9\"' >&2\nexit 9\n");
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
    // The JDK that runs this test stands in for one that lies in a usual folder.
    Path jdks = Files.createDirectories(temporary.resolve("home/.jdks"));
    link(jdks.resolve("jdk-25"), Path.of(System.getProperty("java.home")));
    Map<String, String> environment =
        Map.of(
            "JAVA_HOME", bin.getParent().toString(),
            "HOME", temporary.resolve("home").toString(),
            "PATH", bin + ":/usr/bin:/bin");
    Run r = launch(temporary, environment, Run.home().resolve("hydrahead"), "--version");
    assertThat(r.code()).as(r.err()).isZero();
    assertThat(r.out()).contains("java " + Runtime.version().feature());
  }

  @Test
  void saysHowToInstallAJdkWhereThereIsNone() throws IOException {
    // The search alone, with every folder of this machine hidden from it.
    Path script = Run.home().resolve(".mvn/jdk.sh");
    String text =
        Files.readString(script, StandardCharsets.UTF_8)
            .replaceAll("(?<=[ \\n])/(usr|opt|Library)", "/none$1");
    Path copy = temporary.resolve("jdk.sh");
    Files.writeString(copy, text);
    Map<String, String> environment =
        Map.of("JAVA_HOME", "", "HOME", temporary.toString(), "SDKMAN_DIR", "", "PATH", "/bin");
    Path tools = Files.createDirectories(temporary.resolve("tools"));
    for (String tool : List.of("sh", "sed", "awk", "head", "readlink")) {
      for (String place : List.of("/bin/", "/usr/bin/")) {
        if (Files.exists(Path.of(place + tool)) && !Files.exists(tools.resolve(tool))) {
          link(tools.resolve(tool), Path.of(place + tool));
        }
      }
    }
    Map<String, String> bare = new java.util.HashMap<>(environment);
    bare.put("PATH", tools.toString());
    Run r = launch(temporary, bare, "/bin/sh", "-c", ". " + copy + "; echo found $JAVA_HOME");
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.out()).isEmpty();
    assertThat(r.err()).contains("needs a JDK 25.0.3", "sdk install java", "JAVA_HOME");
  }

  @Test
  void ctrlCLeavesNothingHalfWrittenAndTheRunGoesOn() throws Exception {
    Path launcher = Run.home().resolve("hydrahead");
    Path whole = temporary.resolve("whole");
    Path cut = temporary.resolve("cut");
    Path recipe = Recipes.pretrain(temporary, 400);
    Run r = launch(temporary, Map.of(), launcher, "pretrain", "--recipe", recipe, "-o", whole);
    assertThat(r.code()).as(r.err()).isZero();

    ProcessBuilder b =
        new ProcessBuilder(
            launcher.toString(), "pretrain", "--recipe", recipe.toString(), "-o", cut.toString());
    Path err = temporary.resolve("interrupted");
    b.redirectError(err.toFile()).redirectOutput(ProcessBuilder.Redirect.DISCARD);
    b.environment().put("HYDRAHEAD_NO_BUILD", "1");
    Process p = b.start();
    Path log = temporary.resolve("cut.run/training-log.jsonl");
    for (int i = 0; i < 6000 && !Files.exists(log) && p.isAlive(); i++) {
      Thread.sleep(10);
    }
    Thread.sleep(300); // some steps into the training
    assertThat(new ProcessBuilder("kill", interrupt(p), Long.toString(p.pid())).start().waitFor())
        .isZero();
    assertThat(p.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(p.exitValue()).as(Files.readString(err)).isEqualTo(ExitCode.INTERRUPTED);
    assertThat(Files.readString(err)).contains("--resume");
    assertThat(cut).doesNotExist();

    Run on =
        launch(
            temporary, Map.of(), launcher, "pretrain", "--recipe", recipe, "-o", cut, "--resume");
    assertThat(on.code()).as(on.err()).isZero();
    assertThat(Files.mismatch(cut.resolve("model.safetensors"), whole.resolve("model.safetensors")))
        .as("the same bits as without the interruption")
        .isEqualTo(-1);
    try (var left = Files.list(temporary)) {
      assertThat(
              left.map(f -> f.getFileName().toString())
                  .filter(n -> n.startsWith(".") || n.endsWith(".run")))
          .isEmpty();
    }
  }

  @Test
  void aServerThatTermStopsEndsWithZero() throws Exception {
    Path out = temporary.resolve("addresses");
    Path err = temporary.resolve("log");
    ProcessBuilder b =
        new ProcessBuilder(
            Run.home().resolve("hydrahead").toString(),
            "serve",
            Run.home().resolve("models/tiny-hybrid").toString(),
            "--port",
            "0",
            "--device",
            "cpu");
    b.redirectOutput(out.toFile()).redirectError(err.toFile());
    b.environment().put("HYDRAHEAD_NO_BUILD", "1");
    Process p = b.start();
    for (int i = 0; i < 6000 && !Files.readString(out).contains("/v1\n") && p.isAlive(); i++) {
      Thread.sleep(10);
    }
    Thread.sleep(300); // it has said where it is, and waits
    p.destroy(); // TERM
    assertThat(p.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(p.exitValue()).as(Files.readString(err)).isEqualTo(ExitCode.OK);
    assertThat(Files.readString(err)).contains("no new requests");
  }

  /** INT as Ctrl-C sends it; TERM, handled alike, where whoever started us has INT ignored. */
  private static String interrupt(Process p) throws Exception {
    Path status = Path.of("/proc", Long.toString(p.pid()), "status");
    if (Files.isReadable(status)) {
      for (String line : Files.readAllLines(status)) {
        if (line.startsWith("SigIgn:")) {
          long ignored = Long.parseUnsignedLong(line.substring(7).strip(), 16);
          return (ignored & 2) == 0 ? "-INT" : "-TERM";
        }
      }
    }
    return "-INT";
  }
}
