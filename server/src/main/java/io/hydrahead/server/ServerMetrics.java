package io.hydrahead.server;

import io.hydrahead.server.engine.Scheduler;
import io.hydrahead.server.engine.Scheduler.Caches;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.function.ToDoubleFunction;

/** What {@code /metrics} tells, in Prometheus' format. */
final class ServerMetrics implements AutoCloseable {
  private final PrometheusMeterRegistry registry =
      new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
  private final Counter promptTokens = counter("prompt.tokens", "Tokens of prompts");
  private final Counter cachedTokens =
      counter("cached.tokens", "Tokens of prompts whose caches were kept");
  private final Counter generatedTokens = counter("generated.tokens", "Tokens of replies");
  private final Counter lookups = counter("cache.lookups", "Prompts looked up");
  private final Counter hits = counter("cache.hits", "Prompts whose beginning was known");
  private final Timer firstToken =
      timer("time.to.first.token", "From a request's arrival to the first token of each reply");
  private final Timer betweenTokens = timer("inter.token.latency", "Between two tokens of a reply");

  ServerMetrics(Scheduler scheduler) {
    gauge("requests.waiting", "Replies that wait", scheduler, s -> s.status().waiting());
    gauge("requests.running", "Replies being worked on", scheduler, s -> s.status().running());
    cache("kv.bytes", "Bytes of keys and values in use", scheduler, Caches::kvBytes);
    cache("kv.bytes.max", "Bytes of keys and values", scheduler, Caches::kvBytesTotal);
    cache("state.bytes", "Bytes of recurrent states in use", scheduler, Caches::stateBytes);
    cache("state.bytes.max", "Bytes of recurrent states", scheduler, Caches::stateBytesTotal);
    cache("prefix.disk.bytes", "Bytes of the saved prefixes", scheduler, c -> c.disk().bytes());
    cache(
        "prefix.restored.tokens",
        "Tokens of saved prefixes that were known at the start",
        scheduler,
        c -> c.disk().restoredTokens());
    counted(
        "prefix.reused.tokens",
        "Tokens of prompts that were not read again because of saved prefixes",
        scheduler,
        c -> c.disk().reusedTokens());
    counted(
        "prefix.disk.failures",
        "Files of saved prefixes that could not be used or written",
        scheduler,
        c -> c.disk().failures());
  }

  private void cache(String name, String what, Scheduler s, ToDoubleFunction<Caches> value) {
    gauge(name, what, s, scheduler -> value.applyAsDouble(scheduler.status().caches()));
  }

  private void counted(String name, String what, Scheduler s, ToDoubleFunction<Caches> value) {
    FunctionCounter.builder(
            "hydrahead." + name, s, scheduler -> value.applyAsDouble(scheduler.status().caches()))
        .description(what)
        .register(registry);
  }

  private Counter counter(String name, String what) {
    return Counter.builder("hydrahead." + name).description(what).register(registry);
  }

  private Timer timer(String name, String what) {
    return Timer.builder("hydrahead." + name)
        .description(what)
        .publishPercentileHistogram()
        .minimumExpectedValue(Duration.ofMillis(1))
        .maximumExpectedValue(Duration.ofMinutes(2))
        .register(registry);
  }

  private void gauge(
      String name, String what, Scheduler scheduler, ToDoubleFunction<Scheduler> value) {
    Gauge.builder("hydrahead." + name, scheduler, value).description(what).register(registry);
  }

  /**
   * A request was answered.
   *
   * @param outcome {@code ok}, {@code gone} if the client was, or the code of the error
   */
  void request(String path, int status, String outcome, long nanos) {
    Timer.builder("hydrahead.http.requests")
        .description("Requests by path, status that was sent, and outcome")
        .tag("path", path)
        .tag("status", Integer.toString(status))
        .tag("outcome", outcome)
        .register(registry)
        .record(Duration.ofNanos(nanos));
  }

  /** A prompt was begun, once for all of its replies. */
  void lookup(boolean known) {
    lookups.increment();
    hits.increment(known ? 1 : 0);
  }

  /** A request is over; its prompts count once, however many replies they have. */
  void tokens(int prompt, int cached, int generated) {
    promptTokens.increment(prompt);
    cachedTokens.increment(cached);
    generatedTokens.increment(generated);
  }

  void firstToken(long nanos) {
    firstToken.record(Duration.ofNanos(nanos));
  }

  void betweenTokens(long nanos) {
    betweenTokens.record(Duration.ofNanos(nanos));
  }

  /** Tokens of prompts, of all requests that are over. */
  long promptTokens() {
    return (long) promptTokens.count();
  }

  /** Of these, those whose caches were kept. */
  long cachedTokens() {
    return (long) cachedTokens.count();
  }

  /** Prompts that were looked up. */
  long cacheLookups() {
    return (long) lookups.count();
  }

  /** Of these, those of which something was known. */
  long cacheHits() {
    return (long) hits.count();
  }

  /** Tokens of replies so far, those of replies under way, too. */
  long tokensSoFar() {
    return firstToken.count() + betweenTokens.count();
  }

  String scrape() {
    return registry.scrape();
  }

  @Override
  public void close() {
    registry.close();
  }
}
