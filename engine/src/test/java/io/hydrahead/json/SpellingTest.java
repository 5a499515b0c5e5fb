package io.hydrahead.json;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class SpellingTest {
  @Test
  void findsWhatWasMeantAndNothingElse() {
    assertThat(Spelling.distance("hidden_size", "hidden_sise")).isEqualTo(1);
    assertThat(Spelling.distance("name", "nmae")).isEqualTo(1);
    assertThat(Spelling.distance("name", "")).isEqualTo(4);
    assertThat(Spelling.distance("rows", "ROWS")).isZero();
    assertThat(Spelling.nearest("hidden_size", Stream.of("heads", "hiden_size")))
        .contains("hiden_size");
    assertThat(Spelling.nearest("name", Stream.of("about", "seed"))).isEmpty();
    assertThat(Spelling.nearest("beta1", Stream.of("beta2"))).as("another thing").isEmpty();
    assertThat(Spelling.nearest("lr", Stream.empty())).isEmpty();
  }
}
