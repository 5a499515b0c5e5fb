package io.hydrahead.study;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.model.HeadPlan;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class EqualCacheTest {
  @Test
  void costsWhatTheOtherPlanCosts() {
    boolean[][] full = new boolean[12][16];
    for (int l = 0; l < 12; l++) {
      full[l][l] = true; // 12 groups
      if (l < 5) {
        full[l][l ^ 1] = true; // a partner, free in cache
      } else {
        full[l][(l + 2) % 16] = true; // a group of its own
      }
    }
    HeadPlan like = HeadPlan.of(full);
    Set<HeadPlan> drawn = new HashSet<>();
    int[] kept = new int[12 * 16];
    for (int i = 0; i < 400; i++) {
      HeadPlan p = EqualCache.draw(like, 8, i);
      assertThat(p.fullCount()).isEqualTo(24);
      assertThat(p.cacheShare(8)).isEqualTo(like.cacheShare(8));
      for (int l = 0; l < 12; l++) {
        assertThat(p.fullHeads(l)).isNotEmpty();
        for (int h : p.fullHeads(l)) {
          kept[l * 16 + h]++;
        }
      }
      drawn.add(p);
    }
    assertThat(drawn).hasSizeGreaterThan(395);
    for (int k : kept) { // 400 · 24 / 192 = 50 on average
      assertThat(k).isBetween(20, 90);
    }
    assertThat(EqualCache.draw(like, 8, 7)).isEqualTo(EqualCache.draw(like, 8, 7));
  }

  @Test
  void aPlanWithFewerGroupsThanLayersHasNoFloor() {
    boolean[][] full = new boolean[4][8];
    full[1][2] = true;
    full[1][3] = true;
    HeadPlan p = EqualCache.draw(HeadPlan.of(full), 4, 1);
    assertThat(p.fullCount()).isEqualTo(2);
    assertThat(p.cacheShare(4)).isEqualTo(1 / 16.0);
  }
}
