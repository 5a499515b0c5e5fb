package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.hydrahead.json.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/** The page as a person meets it. Skipped where there is no Chromium. */
@Timeout(value = 180, unit = TimeUnit.SECONDS)
class PageInChromiumTest {
  private static final Path SHOTS = Path.of("target", "screenshots");
  private static final int ENTER = 13;
  private static final int ESCAPE = 27;
  private static final int RIGHT = 39;

  /** Counts how often the text of replies changes, in {@code window.changes}. */
  private static final String WATCH =
      """
      window.changes = 0;
      new MutationObserver(ms => window.changes += ms.some(m =>
          m.target.closest?.('.assistant .said') || m.target.parentElement?.closest('.assistant .said')) ? 1 : 0)
        .observe(document.getElementById('log'), {subtree: true, childList: true, characterData: true});
      """;

  private static Browser browser;

  /** One browser for all tests; without one, each says that it is skipped. */
  @BeforeEach
  void start() throws IOException, InterruptedException {
    Optional<Path> program = Browser.find();
    assumeTrue(
        program.isPresent(),
        "no Chromium in the PATH: the page is not looked at (HYDRAHEAD_CHROMIUM names one)");
    if (browser == null) {
      browser = new Browser(program.get(), Files.createTempDirectory("hydrahead-page"));
    }
  }

  @AfterAll
  static void stop() throws InterruptedException {
    if (browser != null) {
      browser.close();
    }
  }

  private static void open(Running r) {
    browser.look(false, 1280, 800);
    browser.open(r.uri("/"));
    browser.await("document.querySelectorAll('#map rect.full').length");
    browser.evaluate("document.getElementById('temperature').value = 0"); // no draw of luck
  }

  private static void say(String text) {
    browser.evaluate("document.getElementById('text').focus()");
    browser.type(text);
    browser.press("Enter", ENTER);
  }

  @Test
  void aChatStreamsBesideTheHeadMap() throws IOException {
    try (Running r = new Running(PageTest.HYBRID, ServerOptions.DEFAULT)) {
      open(r);
      int full = 0;
      for (JsonNode layer :
          Json.read(PageTest.HYBRID.resolve("config.json")).path("full_attention_heads")) {
        full += layer.size();
      }
      assertThat(browser.evaluate("document.querySelectorAll('#map rect.full').length").intValue())
          .isEqualTo(full);
      assertThat(browser.evaluate("document.querySelectorAll('#map rect.other').length").intValue())
          .isEqualTo(32 - full);
      assertThat(browser.text("h1")).isEqualTo("tiny-hybrid");
      assertThat(browser.evaluate("document.activeElement.id").asString()).isEqualTo("text");

      browser.evaluate("document.getElementById('most').value = 60");
      browser.evaluate(WATCH);
      say("Where is the key of the green door?");
      browser.await("document.querySelector('.assistant .meta')?.textContent");
      assertThat(browser.evaluate("window.changes").intValue()).isGreaterThan(3);
      assertThat(browser.text(".assistant .said")).isNotBlank();
      assertThat(browser.text(".assistant .meta")).contains("tokens", "prompt of");
      assertThat(browser.text(".notice")).isEmpty();
      say("And that of the red one? Think of the garden, the stone, and what lies under it.");
      browser.await("document.querySelectorAll('.assistant .meta')[1]?.textContent");
      browser.await("document.getElementById('running').textContent === '0'");
      browser.await("/[1-9]/.test(document.getElementById('sum-own').textContent)");
      assertThat(browser.text("#held")).contains("tokens");

      browser.evaluate("document.getElementById('map').focus()");
      browser.press("ArrowRight", RIGHT);
      assertThat(browser.text("#cell")).startsWith("Layer 0, head 1:");
      browser.evaluate("document.getElementById('text').focus()");
      assertThat(browser.complaints()).isEmpty();
      assertThat(browser.requested())
          .isNotEmpty()
          .allSatisfy(u -> assertThat(u).startsWith(r.uri("/").toString()));
      shots();
    }
  }

  private static void shots() throws IOException {
    String background = "getComputedStyle(document.body).backgroundColor";
    String light = browser.evaluate(background).asString();
    browser.screenshot(SHOTS.resolve("light.png"), false);
    browser.look(true, 1280, 800);
    assertThat(browser.evaluate(background).asString()).isNotEqualTo(light);
    browser.screenshot(SHOTS.resolve("dark.png"), false);
    for (int width : new int[] {360, 861}) {
      browser.look(false, width, 780);
      browser.evaluate("scrollTo(0, 0)");
      assertThat(browser.evaluate("document.documentElement.scrollWidth").intValue())
          .as("no scrolling sideways")
          .isLessThanOrEqualTo(width);
      browser.screenshot(SHOTS.resolve("width-" + width + ".png"), width < 860);
    }
  }

  /** A stream cut anywhere, with signs of life in it; thoughts, and text that looks like markup. */
  @Test
  void eventsSurviveAnyCutAndTextStaysText() {
    try (Running r = new Running(ServerOptions.DEFAULT)) {
      open(r);
      browser.evaluate(
          """
          window.realFetch = window.fetch;
          window.fetch = (path, how) => {
            if (!String(path).includes('completions')) return window.realFetch(path, how);
            const pieces = ['<think>', 'grün', ' or blue', '</think>', '\\n\\n', 'Grün: ', '<img src=x onerror=alert(1)>', '\\n\\nzwei'];
            const events = pieces.map(c => 'data: ' + JSON.stringify({choices: [{index: 0, delta: {content: c}}]}) + '\\n\\n');
            const all = new TextEncoder().encode(': waiting\\n\\n' + events.join(': waiting\\n\\n') + 'data: [DONE]\\n\\n');
            let at = 0;
            return Promise.resolve(new Response(new ReadableStream({
              pull(c) { at < all.length ? c.enqueue(all.slice(at, at += 3)) : c.close(); }})));
          };
          """);
      say("Which?");
      browser.await("document.querySelector('.assistant:not(.busy)')");
      assertThat(browser.text(".assistant .said"))
          .isEqualTo("Grün: <img src=x onerror=alert(1)>\n\nzwei");
      assertThat(browser.text(".assistant details span")).isEqualTo("grün or blue");
      assertThat(browser.text(".notice")).isEmpty();
      assertThat(browser.complaints()).isEmpty();
    }
  }

  @Test
  void stoppingFreesTheServer() {
    try (Running r = new Running(ServerOptions.DEFAULT)) {
      open(r);
      assertThat(browser.text("#heads")).contains("All 32");
      browser.evaluate(
          """
          new MutationObserver(() => document.querySelector('.assistant .said')?.textContent
              && document.getElementById('stop').click())
            .observe(document.getElementById('log'), {subtree: true, childList: true, characterData: true});
          """);
      say("Tell me all of it");
      browser.await("document.querySelector('.assistant .meta')?.textContent");
      assertThat(browser.text(".assistant .meta")).isEqualTo("Stopped.");
      browser.await("document.getElementById('running').textContent === '0'");
      browser.press("Escape", ESCAPE);
      browser.evaluate("document.getElementById('new').click()");
      assertThat(browser.evaluate("document.querySelectorAll('.turn').length").intValue()).isZero();
      assertThat(browser.complaints()).isEmpty();
    }
  }

  @Test
  void errorsAreWords() throws IOException {
    Running r = new Running(ServerOptions.DEFAULT);
    try (r) {
      open(r);
      browser.evaluate("document.getElementById('temperature').value = 9");
      say("Hello");
      browser.await("document.getElementById('settings').open");
      browser.evaluate("document.getElementById('settings').open = false");
      browser.evaluate("document.getElementById('temperature').value = 0");
      browser.evaluate("document.getElementById('most').value = 9");
      browser.evaluate("document.getElementById('text').value = ''");
      say("Hello");
      browser.await("document.querySelector('.assistant .meta')?.textContent");
      say("far too long ".repeat(300));
      browser.await("document.querySelector('.notice')");
      assertThat(browser.text(".notice")).contains("at most 256 tokens", "new chat");
      browser.evaluate("document.getElementById('new').click()");
      browser.evaluate("document.getElementById('text').value = ''");
      say("far too long ".repeat(300));
      browser.await("document.querySelector('.notice')");
      assertThat(browser.text(".notice")).contains("at most 256 tokens").doesNotContain("new chat");
      assertThat(browser.evaluate("document.getElementById('text').value").asString())
          .as("what was written is not lost")
          .startsWith("far too long");
      browser.evaluate("document.getElementById('settings').open = true");
      browser.screenshot(SHOTS.resolve("error.png"), false);
    }
    browser.await("document.getElementById('trouble').textContent");
    assertThat(browser.text("#trouble")).contains("does not answer");
    browser.evaluate("document.getElementById('text').value = ''");
    say("Hello");
    browser.await("document.querySelector('.notice')?.textContent.includes('does not answer')");
  }

  /** Of a shape that no bundled model has: many layers, KV heads of four query heads. */
  @Test
  void theMapOfALargeModelFits() throws IOException {
    try (Running r = new Running(ServerOptions.DEFAULT)) {
      open(r);
      browser.evaluate(
          """
          import('/page/panel.js').then(({Panel}) => new Panel().model({
            id: 'large', chat: true, max_model_len: 131072, trained_context: 40960, layers: 36, heads: 32, kv_heads: 8,
            head_dim: 128, other_heads: 'gated_delta',
            full_attention_heads: Array.from({length: 36}, (_, l) => l % 3 ? [l % 32] : [l % 32, (7 * l + 3) % 32]),
            memory: {kv_bytes_per_token: 24576, vanilla_kv_bytes_per_token: 147456, state_bytes: 72351744,
              window_bytes_per_token: 0, window_tokens: 0}}))
          """);
      browser.await(
          "document.querySelectorAll('#map rect.full, #map rect.other').length === 36 * 32");
      assertThat(browser.text("#heads")).startsWith("48 of 1,152");
      assertThat(browser.text("#one"))
          .isEqualTo("One text of 128K tokens takes 3.29 GB; with all heads full 19.3 GB.");
      assertThat(
              browser
                  .evaluate(
                      "[...document.querySelectorAll('#map rect')].every(e => e.getBoundingClientRect().right <= innerWidth)")
                  .booleanValue())
          .isTrue();
      browser.screenshot(SHOTS.resolve("large.png"), false);
    }
  }

  @Test
  void theKeyIsAskedForAndStaysInTheTab() throws IOException {
    try (Running r = new Running(ServerOptions.DEFAULT.apiKey("the key"))) {
      browser.look(false, 1280, 800);
      browser.open(r.uri("/"));
      browser.await("document.getElementById('key').open");
      browser.screenshot(SHOTS.resolve("key.png"), false);
      browser.type("another");
      browser.press("Enter", ENTER);
      browser.await("document.getElementById('key-wrong').textContent");
      assertThat(browser.text("#key-wrong")).contains("does not know");
      browser.type("the key");
      browser.press("Enter", ENTER);
      browser.await("document.querySelectorAll('#map rect.full').length");
      browser.evaluate("document.getElementById('most').value = 5");
      say("Hello");
      browser.await("document.querySelector('.assistant .meta')?.textContent");
      assertThat(
              browser
                  .evaluate(
                      "JSON.stringify([Object.values(sessionStorage), localStorage.length, document.cookie, location.search])")
                  .asString())
          .isEqualTo("[[\"the key\"],0,\"\",\"\"]");
    }
  }
}
