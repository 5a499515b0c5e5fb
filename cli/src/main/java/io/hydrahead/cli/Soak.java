package io.hydrahead.cli;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.server.HydraServer;
import io.hydrahead.server.ServerOptions;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.server.engine.Scheduler;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A server under a mixed load for a long time: whether it loses requests, and whether what it holds
 * grows. The caches are small on purpose, so that they are full soon and entries make room for
 * others all the time.
 */
final class Soak {
  /** Growth an hour, as a share, below which a quantity counts as flat. */
  static final double TOLERANCE = 0.05;

  /** Shorter than this, warming up and growing cannot be told apart. */
  private static final int SECONDS_TO_TELL = 300;

  private static final int SAMPLE_SECONDS = 10;
  private static final int LEAST_SAMPLES = 40;
  private static final int CONTEXT = 512;
  private static final int WAITING = 256;
  private static final Duration IDLE_PATIENCE = Duration.ofSeconds(60);

  private final CommonOptions common;
  private final Path folder;
  private final int clients;
  private final TimeSpan time;

  Soak(CommonOptions common, Path folder, int clients, TimeSpan time) {
    this.common = common;
    this.folder = folder;
    this.clients = clients;
    this.time = time;
  }

  /** A quantity's growth over the second half. */
  private record Growth(SoakSample.Quantity what, double first, double last, Trend trend) {
    double anHour() {
      return 3600 * trend.relative();
    }

    /** Not growing beyond chance and by more than may be. */
    boolean flat() {
      return trend.low() <= 0 || anHour() <= TOLERANCE;
    }
  }

  /**
   * Soaks, prints, and writes {@code json} unless it is null.
   *
   * @return the exit code
   */
  int run(Path json) throws InterruptedException {
    Sources.config(folder);
    List<SoakSample> samples = new ArrayList<>();
    ObjectNode report = JsonReport.begin("soak", common);
    boolean interrupted;
    boolean idle;
    long lost;
    try (LoadedModel loaded = LoadedModel.open(folder, common)) {
      ModelConfig c = loaded.model().config();
      int context = Math.min(CONTEXT, c.maxPositionEmbeddings());
      Engine.Options how =
          new Engine.Options(Engine.Options.of(folder).name(), context, clients, WAITING);
      try (Engine engine = Engine.of(folder, loaded.model(), how, () -> {});
          HydraServer server = HydraServer.start(engine, ServerOptions.DEFAULT.port(0));
          SoakLoad load =
              new SoakLoad(
                  server.uri(),
                  engine.template().isPresent(),
                  clients,
                  c.vocabSize(),
                  engine.scheduler().maxContext())) {
        common.notice(
            "hydrahead: %d clients of '%s' at %s for %s; Ctrl-C ends it with what was measured"
                .formatted(clients, engine.name(), server.uri(), time));
        interrupted = watch(engine.scheduler(), load, loaded, samples);
        idle = awaitIdle(engine.scheduler());
        lost = load.lost();
        describe(report, loaded, load, samples);
      }
    }
    List<Growth> growths = growths(samples);
    boolean flat = growths.stream().allMatch(Growth::flat);
    boolean told = samples.getLast().seconds() >= SECONDS_TO_TELL;
    String verdict = !told ? "too short to tell" : flat ? "flat" : "grows";
    report.put("interrupted", interrupted);
    report.put("idle_at_end", idle);
    report.put("verdict", verdict);
    print(report, growths, samples, told);
    addGrowths(report.putArray("growth"), growths);
    addSamples(report.putArray("samples"), samples);
    if (json != null) {
      AtomicFile.write(json, report, common.force());
    }
    boolean good = lost == 0 && idle && (flat || !told);
    return interrupted ? ExitCode.INTERRUPTED : good ? ExitCode.OK : ExitCode.CHECK_FAILED;
  }

  /**
   * Samples until the time is over, then waits for the last replies, which count; true if the user
   * has ended it before.
   */
  private boolean watch(
      Scheduler scheduler, SoakLoad load, LoadedModel loaded, List<SoakSample> samples)
      throws InterruptedException {
    double every = Math.min(SAMPLE_SECONDS, (double) time.seconds() / LEAST_SAMPLES);
    long start = System.nanoTime();
    double next = every;
    common.progress().begin("soak", time.seconds(), "s");
    try {
      while (true) {
        double now = (System.nanoTime() - start) / 1e9;
        boolean stop = common.progress().cancelled();
        if (now >= next || stop) {
          samples.add(SoakSample.now(now, scheduler, loaded.ops().memory()));
          next = Math.max(next + every, now + every / 2);
        }
        common.progress().advance((long) Math.min(now, time.seconds()), note(load, samples));
        if (stop || now >= time.seconds()) {
          load.stop();
          common.progress().advance((long) Math.min(now, time.seconds()), note(load, samples));
          return stop;
        }
        Thread.sleep(Math.clamp((long) (1000 * (next - now)), 1, 100));
      }
    } finally {
      common.progress().end();
    }
  }

  private static String note(SoakLoad load, List<SoakSample> samples) {
    String held = samples.isEmpty() ? "" : ", heap " + Table.bytes(samples.getLast().heap());
    return String.format(Locale.ROOT, "%,d requests, %d lost%s", load.done(), load.lost(), held);
  }

  /** Whether nothing is worked on any more: requests of clients that have gone are cancelled. */
  private static boolean awaitIdle(Scheduler scheduler) throws InterruptedException {
    long end = System.nanoTime() + IDLE_PATIENCE.toNanos();
    while (true) {
      Scheduler.Status s = scheduler.status();
      if (s.running() + s.waiting() == 0 || System.nanoTime() > end) {
        return s.running() + s.waiting() == 0 && s.alive();
      }
      Thread.sleep(50);
    }
  }

  /** Trends of the second half, of what the system tells. */
  private static List<Growth> growths(List<SoakSample> samples) {
    double half = samples.getLast().seconds() / 2;
    List<SoakSample> late = samples.stream().filter(s -> s.seconds() >= half).toList();
    List<Growth> out = new ArrayList<>();
    if (late.size() < 2) {
      return out;
    }
    double[] at = late.stream().mapToDouble(SoakSample::seconds).toArray();
    for (SoakSample.Quantity q : SoakSample.Quantity.values()) {
      double[] values = late.stream().mapToDouble(q::of).toArray();
      if (values[0] >= 0) {
        out.add(new Growth(q, values[0], values[values.length - 1], Trend.of(at, values)));
      }
    }
    return out;
  }

  private void describe(
      ObjectNode report, LoadedModel loaded, SoakLoad load, List<SoakSample> samples) {
    report.put("checkpoint", folder.toString());
    report.put("device", loaded.ops().description());
    report.put("clients", clients);
    report.put("seconds", samples.getLast().seconds());
    ObjectNode requests = report.putObject("requests");
    requests.put("done", load.done()).put("lost", load.lost()).put("reply_tokens", load.tokens());
    ObjectNode kinds = requests.putObject("by_kind");
    for (SoakLoad.Kind k : SoakLoad.Kind.values()) {
      kinds.put(k.name().toLowerCase(Locale.ROOT), load.done(k));
    }
    ArrayNode losses = requests.putArray("first_losses");
    load.losses().forEach(losses::add);
  }

  private void print(
      ObjectNode report, List<Growth> growths, List<SoakSample> samples, boolean told) {
    Table table = new Table("second half", "begins", "ends", "median", "an hour", "95%", "flat");
    for (Growth g : growths) {
      Trend t = g.trend;
      table.row(
          g.what.title,
          amount(g.what, g.first),
          amount(g.what, g.last),
          amount(g.what, t.level()),
          told ? Table.percent(g.anHour()) : "–",
          told ? range(t) : "–",
          !told ? "–" : g.flat() ? "yes" : "no");
    }
    table.print(common.out());
    var requests = report.path("requests");
    common
        .out()
        .printf(
            Locale.ROOT,
            "%,d requests in %s, %,d tokens of replies; %d lost%s%n",
            requests.path("done").longValue(),
            ProgressBar.duration(samples.getLast().seconds()),
            requests.path("reply_tokens").longValue(),
            requests.path("lost").longValue(),
            report.path("idle_at_end").booleanValue()
                ? ""
                : "; requests that nobody waits for go on");
    requests.path("first_losses").forEach(l -> common.out().println("lost: " + l.stringValue()));
    common.out().println(report.path("verdict").stringValue());
    common.out().flush();
  }

  private static String range(Trend t) {
    double unit = t.level() == 0 ? 0 : 3600 / t.level();
    return Table.percent(unit * t.low()) + " … " + Table.percent(unit * t.high());
  }

  private static String amount(SoakSample.Quantity what, double value) {
    return what.bytes ? Table.bytes((long) value) : String.format(Locale.ROOT, "%.0f", value);
  }

  private static void addGrowths(ArrayNode to, List<Growth> growths) {
    for (Growth g : growths) {
      ObjectNode o = to.addObject();
      o.put("what", g.what.name().toLowerCase(Locale.ROOT));
      o.put("unit", g.what.bytes ? "bytes" : "count");
      o.put("first", g.first).put("last", g.last).put("median", g.trend.level());
      o.put("per_hour", 3600 * g.trend.slope());
      o.put("per_hour_low", 3600 * g.trend.low()).put("per_hour_high", 3600 * g.trend.high());
      o.put("share_per_hour", g.anHour());
      o.put("flat", g.flat());
    }
  }

  private static void addSamples(ArrayNode to, List<SoakSample> samples) {
    for (SoakSample s : samples) {
      ObjectNode o = to.addObject();
      o.put("seconds", s.seconds());
      for (SoakSample.Quantity q : SoakSample.Quantity.values()) {
        o.put(q.name().toLowerCase(Locale.ROOT), (long) q.of(s));
      }
      o.put("heap_committed", s.committed());
      o.put("waiting", s.waiting()).put("running", s.running());
    }
  }
}
