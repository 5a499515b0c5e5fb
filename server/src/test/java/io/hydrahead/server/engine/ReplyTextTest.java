package io.hydrahead.server.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ReplyTextTest {
  private static final Tokenizer TOKENIZER =
      Tokenizer.load(Path.of(System.getProperty("hydrahead.home"), "models/tiny-teacher"));

  private record Result(String text, boolean stopped, List<String> pieces) {}

  private static Result read(String text, String... stops) {
    ReplyText r = new ReplyText(TOKENIZER, List.of(stops));
    List<String> pieces = new ArrayList<>();
    for (int id : TOKENIZER.encode(text)) {
      pieces.add(r.push(id));
    }
    pieces.add(r.finish());
    return new Result(String.join("", pieces), r.stopped(), pieces);
  }

  @Test
  void withoutStopsNothingIsHeldBackOrLost() {
    String text = "naïve 🦊 fox — end";
    Result r = read(text);
    assertThat(r.text()).isEqualTo(text);
    assertThat(r.pieces().getLast()).isEmpty();
  }

  @Test
  void specialTokensHaveNoText() {
    assertThat(read("a<|im_end|>b<|im_start|>").text()).isEqualTo("ab");
  }

  @Test
  void endsBeforeTheFirstStop() {
    assertThat(read("one two three", "three", "two").text()).isEqualTo("one ");
    assertThat(read("one two three", "xyz").stopped()).isFalse();
    assertThat(read("abcabcabd", "abd").text()).isEqualTo("abcabc");
    assertThat(read("aaab", "aab").text()).isEqualTo("a");
  }

  /** Stops at the same place as a search in the whole text, wherever tokens end. */
  @Test
  void equalsASearch() {
    Random random = new Random(8);
    for (int i = 0; i < 2000; i++) {
      StringBuilder text = new StringBuilder();
      for (int k = random.nextInt(30); k >= 0; k--) {
        text.append("ab é\n".charAt(random.nextInt(5)));
      }
      String[] stops = new String[1 + random.nextInt(3)];
      for (int s = 0; s < stops.length; s++) {
        StringBuilder stop = new StringBuilder();
        for (int k = random.nextInt(4); k >= 0; k--) {
          stop.append("ab é\n".charAt(random.nextInt(5)));
        }
        stops[s] = stop.toString();
      }
      Result r = read(text.toString(), stops);
      // Tokens come one by one, so the stop that is complete first decides.
      assertThat(r.stopped())
          .isEqualTo(List.of(stops).stream().anyMatch(s -> text.indexOf(s) >= 0));
      assertThat(text.toString()).startsWith(r.text());
      for (String s : stops) {
        assertThat(r.text()).doesNotContain(s);
      }
      if (!r.stopped()) {
        assertThat(r.text()).isEqualTo(text.toString());
      }
    }
  }
}
