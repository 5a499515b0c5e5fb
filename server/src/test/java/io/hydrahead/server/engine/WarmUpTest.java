package io.hydrahead.server.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** What is done before anybody waits works the model, and leaves no trace. */
class WarmUpTest {
  private static final Path MODEL =
      Path.of(System.getProperty("hydrahead.home"), "models/tiny-hybrid");

  @Test
  void worksAndLeavesNothing() throws InterruptedException {
    try (Watched watched = new Watched(MODEL, 4, 8)) {
      watched.engine().warmUp();
      assertThat(watched.idle().kvBytes()).isZero();
      assertThat(watched.engine().scheduler().status().caches().tokens()).isZero();
    }
  }

  /** It goes through the scheduler: where that takes nothing, there is nothing to wait for. */
  @Test
  void failsWhereRequestsWould() {
    try (Watched watched = new Watched(MODEL, 4, 8)) {
      watched.engine().scheduler().close();
      assertThatThrownBy(() -> watched.engine().warmUp())
          .isInstanceOf(Scheduler.ClosedException.class);
    }
  }
}
