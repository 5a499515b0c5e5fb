package io.hydrahead.serve;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.model.CachePool;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.TestModels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Texts that begin like others, in a cache that is too small for all, against cold runs. */
final class PrefixSharing {
  private PrefixSharing() {}

  static void check(HybridTransformer m, long seed, int patterns, double tolerance) {
    Random random = new Random(seed);
    BatchOptions options = BatchModels.options(m, 3, 600).withPools(new CachePool.Size(16, 8));
    try (BatchEngine engine = new BatchEngine(m, options)) {
      List<int[]> seen = new ArrayList<>();
      seen.add(TestModels.ids(500, 97, 1));
      for (int i = 0; i < patterns; i++) {
        int[] prompt = prompt(seen, random);
        int reply = random.nextInt(3) == 0 ? random.nextInt(150) : random.nextInt(4);
        BatchSequence s = engine.open(prompt, reply, true).orElseThrow();
        assertThat(s.cachedTokens()).isEqualTo(s.position()).isLessThan(prompt.length);
        while (s.reading()) {
          engine.step(List.of(), s);
        }
        String what = "pattern " + i + ", cached " + s.cachedTokens() + " of " + prompt.length;
        BatchModels.assertClose(s.logits(), BatchModels.cold(m, prompt), tolerance, what);
        int[] text = Arrays.copyOf(prompt, prompt.length + reply);
        for (int r = 0; r < reply; r++) {
          text[prompt.length + r] = s.best();
          s.next(text[prompt.length + r]);
          engine.step(List.of(s), null);
        }
        if (reply > 0) {
          BatchModels.assertClose(
              s.logits(), BatchModels.decoded(m, text, prompt.length), tolerance, what + ", reply");
        }
        s.close();
        seen.add(text);
      }
      BatchStats stats = engine.stats();
      assertThat(stats.lookups()).isEqualTo(patterns);
      assertThat(stats.hits()).isGreaterThan(patterns / 5);
      assertThat(stats.cachedTokens()).isGreaterThan(64L * patterns / 4);
      assertThat(stats.sequences()).isZero();
      boolean pressed = patterns < 50 || stats.evictedBlocks() + stats.evictedSnapshots() > 0;
      assertThat(pressed).as("evictions").isTrue();
      engine.forgetPrefixes();
      assertThat(engine.stats().kvBytes() + engine.stats().stateBytes()).isZero();
    }
  }

  /** The beginning of an earlier text, of any length, and then something new, or nothing. */
  private static int[] prompt(List<int[]> seen, Random random) {
    int[] base = seen.get(random.nextInt(seen.size()));
    int keep = 1 + random.nextInt(Math.min(base.length, 400));
    if (random.nextInt(4) == 0) {
      keep = Math.min(Math.ceilDiv(keep, 64) * 64, base.length);
    }
    int more = random.nextInt(3) == 0 ? 0 : random.nextInt(50);
    int[] text = Arrays.copyOf(base, keep + more);
    int[] tail = TestModels.ids(more, 97, random.nextLong());
    System.arraycopy(tail, 0, text, keep, more);
    return text;
  }
}
