package io.hydrahead.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LargePagesTest {
  private static final long[] SIZES = {
    1, 1 << 20, 100, (1 << 20) + 1, 70 << 20, 5 << 20, (1 << 26) - 64, 3 << 20, 1 << 26
  };

  @Test
  void allocationsAreAlignedZeroAndApart() {
    try (Arena arena = Memory.HOST.arena()) {
      List<MemorySegment> all = new ArrayList<>();
      for (long size : SIZES) {
        MemorySegment s = arena.allocate(size, Tensor.ALIGNMENT);
        assertThat(s.byteSize()).isEqualTo(size);
        assertThat(s.address() % Tensor.ALIGNMENT).isZero();
        assertThat(s.get(ValueLayout.JAVA_BYTE, 0)).isZero();
        assertThat(s.get(ValueLayout.JAVA_BYTE, size - 1)).isZero();
        s.fill((byte) (all.size() + 1));
        all.add(s);
      }
      for (int i = 0; i < all.size(); i++) {
        MemorySegment expected = Arena.ofAuto().allocate(SIZES[i]).fill((byte) (i + 1));
        assertThat(all.get(i).mismatch(expected)).isEqualTo(-1);
      }
    }
  }

  @Test
  void nothingIsUsedAfterClosing() {
    Arena arena = Memory.HOST.arena();
    MemorySegment large = arena.allocate(1 << 21, 64);
    MemorySegment small = arena.allocate(64, 64);
    assertThat(large.scope()).isEqualTo(arena.scope());
    arena.close();
    assertThatThrownBy(() -> large.get(ValueLayout.JAVA_BYTE, 0))
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> small.get(ValueLayout.JAVA_BYTE, 0))
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> arena.allocate(1 << 21, 64)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void whatIsHeldIsCounted() {
    long before = Memory.HOST.allocatedBytes();
    try (Arena arena = Memory.HOST.arena()) {
      arena.allocate(100, 64);
      arena.allocate(3 << 20, 64);
      assertThat(Memory.HOST.allocatedBytes()).isEqualTo(before + 100 + (3 << 20));
    }
    assertThat(Memory.HOST.allocatedBytes()).isEqualTo(before);
  }
}
