package io.hydrahead.server.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tokenizer.Tokenizer;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonMachineTest {
  /** Whether the bytes are one whole object. */
  private static boolean accepts(byte[] bytes) {
    JsonMachine m = new JsonMachine();
    for (byte b : bytes) {
      if (!m.step(b & 0xFF)) {
        return false;
      }
    }
    return m.complete();
  }

  private static boolean accepts(String s) {
    return accepts(s.getBytes(StandardCharsets.UTF_8));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{}",
        " {\n} ",
        "{\"a\":1}",
        "{\"a\": [1, -2.5e+10, 0, 0.1, 1E-3, true, false, null, {}, [], \"\"]}",
        "{\"naïve 🦊\":\"\\u00e9\\n\\\\\\\"/\"}",
        "{\"a\":{\"b\":{\"c\":[[[]]]}},\"d\":0}",
      })
  void takesJson(String text) {
    assertThat(accepts(text.strip())).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "1",
        "{",
        "{]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":-}",
        "{\"a\":1e}",
        "{\"a\":tru}",
        "{\"a\":nulls}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{a:1}",
        "{\"a\":1}}",
        "{\"a\":[1,]}",
        "{\"a\":[1}",
        "{'a':1}",
        "{\"a\":+1}",
        "{\"a\":NaN}"
      })
  void refusesWhatIsNot(String text) {
    assertThat(accepts(text)).isFalse();
  }

  @Test
  void textIsUtf8() {
    assertThat(acceptsText(0xC3, 0xA9)).isTrue();
    assertThat(acceptsText(0xF0, 0x9F, 0xA6, 0x8A)).isTrue();
    assertThat(acceptsText(0xC0, 0x80)).isFalse();
    assertThat(acceptsText(0xE0, 0x80, 0x80)).isFalse();
    assertThat(acceptsText(0xED, 0xA0, 0x80)).isFalse();
    assertThat(acceptsText(0xF4, 0x90, 0x80, 0x80)).isFalse();
    assertThat(acceptsText(0xF5, 0x80, 0x80, 0x80)).isFalse();
    assertThat(acceptsText(0x80)).isFalse();
    assertThat(acceptsText(0xC3)).isFalse();
  }

  private static boolean acceptsText(int... bytes) {
    ByteBuffer all = ByteBuffer.allocate(bytes.length + 8);
    all.put("{\"a\":\"".getBytes(StandardCharsets.US_ASCII));
    for (int b : bytes) {
      all.put((byte) b);
    }
    return accepts(all.put((byte) '"').put((byte) '}').array());
  }

  @Test
  void nestingAndWhiteSpaceAreBounded() {
    assertThat(accepts("{\"a\":" + "[".repeat(59) + "]".repeat(59) + "}")).isTrue();
    assertThat(accepts("{\"a\":" + "[".repeat(60) + "]".repeat(60) + "}")).isFalse();
    assertThat(accepts("{" + " ".repeat(40) + "}")).isTrue();
    assertThat(accepts("{" + " ".repeat(41) + "}")).isFalse();
  }

  @Test
  void whiteSpaceBeforeTheObjectHasABoundOfItsOwn() {
    for (String text : List.of("{ \n\t }", " {}", "\n\n{}", "  \n{}")) {
      JsonMachine m = new JsonMachine(2);
      boolean all = text.chars().allMatch(m::step);
      assertThat(all && m.complete()).as(text).isEqualTo(!text.startsWith("  "));
      assertThat(accepts(text)).as(text).isTrue();
    }
  }

  /** Of all white space a reply may begin with two; then its object must. */
  @Test
  void aConstrainedReplyBeginsSoon() {
    Tokenizer tokenizer = Tokenizer.load(Path.of("../models/tiny-hybrid"));
    int vocabulary = 1024;
    Constraint c = JsonConstraint.maker(tokenizer, vocabulary).begin();
    Tensor logits = Tensor.allocate(Arena.ofAuto(), DType.F32, vocabulary);
    int space = tokenizer.encode("\n")[0];
    for (int i = 0; i < 3; i++) {
      for (int id = 0; id < vocabulary; id++) {
        logits.set(id, 0);
      }
      c.mask(logits, Set.of());
      assertThat(logits.get(space) == 0).as("after " + i).isEqualTo(i < 2);
      assertThat(logits.get(tokenizer.encode("{")[0])).isZero();
      c.advance(space);
    }
  }

  /** Bytes drawn among those that may follow always end as JSON that a strict parser takes. */
  @Test
  void whateverItLetsThroughIsJson() {
    Random random = new Random(4);
    for (int i = 0; i < 300; i++) {
      JsonMachine m = new JsonMachine();
      JsonMachine trial = new JsonMachine();
      ByteBuffer out = ByteBuffer.allocate(4000);
      while (!m.complete() && out.hasRemaining()) {
        int b = random.nextInt(256);
        if (out.position() > 60 && random.nextInt(3) > 0) {
          b = "}]\",:0123456789 aetrulsnf".charAt(random.nextInt(25));
        }
        trial.copyFrom(m);
        if (trial.step(b)) {
          m.step(b);
          out.put((byte) b);
        }
      }
      if (!m.complete()) {
        continue;
      }
      String text = new String(out.array(), 0, out.position(), StandardCharsets.UTF_8);
      try {
        assertThat(Json.parse(text, "made").isObject()).isTrue();
      } catch (InputException e) {
        // Names may come twice, which the strict parser does not like; nothing else may be wrong.
        assertThat(e).hasMessageContaining("duplicate");
      }
    }
  }
}
