package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints that bring no template of their own. */
class NoTemplateTest {
  private static final String ASKED =
      "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":1}";

  private static String source(Running r) {
    String body = r.get("/v1/hydrahead/model").body();
    return Json.parse(body, "body").path("chat_template").asString();
  }

  @Test
  void theTemplateIsOwnAssumedOrMissing(@TempDir Path folder) throws IOException {
    Path file = Running.withTemplate(folder, "").resolve("chat_template.jinja");
    try (Running r = new Running()) {
      assertThat(source(r)).isEqualTo("own");
    }
    Files.delete(file);
    try (Running r = new Running(folder, ServerOptions.DEFAULT)) {
      assertThat(source(r)).isEqualTo("chatml");
      r.ask("/v1/chat/completions", ASKED);
    }
    for (String name : new String[] {"tokenizer.json", "tokenizer_config.json"}) {
      Path tokens = folder.resolve(name);
      Files.writeString(tokens, Files.readString(tokens).replace("<|im_start|>", "<|begin|>"));
    }
    try (Running r = new Running(folder, ServerOptions.DEFAULT)) {
      assertThat(source(r)).isEqualTo("none");
      HttpResponse<String> reply = r.post("/v1/chat/completions", ASKED);
      assertThat(reply.statusCode()).isEqualTo(400);
      assertThat(reply.body()).contains("no chat_template.jinja", "/v1/completions");
      r.ask("/v1/completions", "{\"prompt\":\"hi\",\"max_tokens\":1}");
    }
  }
}
