package io.hydrahead.serve;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.Session;
import io.hydrahead.model.Style;
import io.hydrahead.model.TestModels;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Recording;
import jdk.jfr.ValueDescriptor;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a flight recorder sees of the engine. */
class EventsTest {
  private static final List<String> NAMES =
      List.of("Prefill", "Decode", "CacheLookup", "CacheEviction", "CacheFile");

  @TempDir private Path folder;

  private interface Work {
    void run(HybridTransformer m) throws IOException;
  }

  private List<RecordedEvent> recorded(Work work) throws IOException {
    try (Ops ops = OpsFactory.cpu(new OpsOptions(2, "java", false));
        HybridTransformer m = TestModels.gentle(TestModels.headWise(), Style.HYDRAHEAD, ops, 7);
        Recording recording = new Recording()) {
      for (String name : NAMES) {
        recording.enable("io.hydrahead." + name).withoutThreshold();
      }
      recording.start();
      work.run(m);
      recording.stop();
      Path file = folder.resolve("recording.jfr");
      recording.dump(file);
      List<RecordedEvent> events = RecordingFile.readAllEvents(file);
      assertThat(events).allMatch(e -> e.getString("model").equals(m.label()));
      return events.stream()
          .sorted((a, b) -> a.getStartTime().compareTo(b.getStartTime()))
          .toList();
    }
  }

  private static List<RecordedEvent> of(String name, List<RecordedEvent> events) {
    return events.stream()
        .filter(e -> e.getEventType().getName().equals("io.hydrahead." + name))
        .toList();
  }

  private static List<Long> field(String field, List<RecordedEvent> events) {
    return events.stream().map(e -> e.getLong(field)).toList();
  }

  @Test
  void aSessionsPromptAndTokens() throws IOException {
    List<RecordedEvent> events =
        recorded(m -> {
          try (Session s = m.newSession(200)) {
            s.prefill(TestModels.ids(100, 97, 1));
            s.decode(5);
            s.decodeGreedy(6);
            s.prefill(TestModels.ids(20, 97, 2), (from, logits) -> {});
          }
        });
    List<RecordedEvent> prefills = of("Prefill", events);
    assertThat(field("tokens", prefills)).containsExactly(100L, 20L);
    assertThat(field("position", prefills)).containsExactly(0L, 102L);
    assertThat(prefills).allMatch(e -> e.getDuration().isPositive());
    assertThat(field("cacheBytes", events)).allMatch(b -> b > 0);
    List<RecordedEvent> decodes = of("Decode", events);
    assertThat(field("batch", decodes)).containsExactly(1L, 1L);
    assertThat(field("contextTokens", decodes)).containsExactly(101L, 102L);
    assertThat(decodes).allMatch(e -> e.getDuration().isPositive());
    assertThat(events).hasSize(4);
  }

  @Test
  void aBatchsStepsAndItsCache() throws IOException {
    Path file = folder.resolve("prefixes");
    List<RecordedEvent> events =
        recorded(m -> {
          BatchOptions options = BatchModels.options(m, 2, 300);
          try (BatchEngine engine = new BatchEngine(m, options)) {
            int[] prompt = TestModels.ids(200, 97, 1);
            BatchSequence a = engine.open(prompt, 10, true).orElseThrow();
            while (a.reading()) {
              engine.step(List.of(), a); // 128, 64 to the last whole block, 8
            }
            BatchSequence b = engine.open(prompt, 10, true).orElseThrow();
            a.next(1);
            engine.step(List.of(a), b); // 8 behind the 192 that are known
            a.next(2);
            b.next(3);
            engine.step(List.of(a, b), null);
            a.close();
            b.close();
            engine.savePrefixes(file);
            engine.forgetPrefixes();
            engine.restorePrefixes(file);
            engine.open(prompt, 10, true).orElseThrow().close();
          }
        });
    List<RecordedEvent> prefills = of("Prefill", events);
    assertThat(field("tokens", prefills)).containsExactly(128L, 64L, 8L, 8L);
    assertThat(field("position", prefills)).containsExactly(0L, 128L, 192L, 192L);
    assertThat(field("decoding", prefills)).containsExactly(0L, 0L, 0L, 1L);
    List<RecordedEvent> decodes = of("Decode", events);
    assertThat(field("batch", decodes)).containsExactly(1L, 2L);
    assertThat(field("contextTokens", decodes)).containsExactly(201L, 202L + 201);
    assertThat(field("prefill", decodes)).containsExactly(8L, 0L);
    List<RecordedEvent> lookups = of("CacheLookup", events);
    assertThat(field("promptTokens", lookups)).containsExactly(200L, 200L, 200L);
    assertThat(field("cachedTokens", lookups)).containsExactly(0L, 192L, 192L);
    assertThat(field("restoredTokens", lookups)).containsExactly(0L, 0L, 192L);
    List<RecordedEvent> files = of("CacheFile", events);
    assertThat(files).extracting(e -> e.getBoolean("saved")).containsExactly(true, false);
    assertThat(field("tokens", files)).containsExactly(192L, 192L);
    assertThat(field("bytes", files)).containsOnly(Files.size(file));
    RecordedEvent forgotten = of("CacheEviction", events).getFirst();
    assertThat(forgotten.getLong("tokens")).isEqualTo(192);
    assertThat(forgotten.getLong("snapshots")).isEqualTo(1);
    assertThat(forgotten.getLong("bytes")).isPositive();
  }

  /** Of texts only numbers of tokens are told. */
  @Test
  void noTextIsInThem() throws IOException {
    recorded(m -> {
      try (Session s = m.newSession(20)) {
        s.prefill(new int[] {1, 2});
      }
    });
    List<String> texts =
        FlightRecorder.getFlightRecorder().getEventTypes().stream()
            .filter(t -> t.getName().startsWith("io.hydrahead."))
            .flatMap(t -> t.getFields().stream())
            .filter(f -> f.isArray() || f.getTypeName().equals("java.lang.String"))
            .map(ValueDescriptor::getName)
            .distinct()
            .toList();
    assertThat(texts).containsExactly("model");
  }
}
