package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.errors.UnauthorizedException;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.completions.Completion;
import com.openai.models.completions.CompletionCreateParams;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The clients that JVM teams have: OpenAI's own and LangChain4j's. */
class ClientsTest {
  private static final String KEY = "sk-a-key-of-this-test";

  private static Running running;
  private static OpenAIClient openai;

  @BeforeAll
  static void start() {
    running = new Running(ServerOptions.DEFAULT.apiKey(KEY));
    openai =
        OpenAIOkHttpClient.builder()
            .baseUrl(running.uri("/v1").toString())
            .apiKey(KEY)
            .maxRetries(0)
            .build();
  }

  @AfterAll
  static void stop() {
    openai.close();
    running.close();
  }

  private static ChatCompletionCreateParams.Builder chat(String text) {
    return ChatCompletionCreateParams.builder()
        .model(Running.NAME)
        .addUserMessage(text)
        .temperature(0)
        .maxCompletionTokens(8);
  }

  @Test
  void openaiChat() {
    ChatCompletion c = openai.chat().completions().create(chat("Hello").build());
    assertThat(c.model()).isEqualTo(Running.NAME);
    assertThat(c.choices()).hasSize(1);
    assertThat(c.choices().getFirst().message().content()).isPresent();
    assertThat(c.usage().orElseThrow().completionTokens()).isBetween(1L, 8L);
    assertThat(c.usage().orElseThrow().promptTokensDetails().orElseThrow().cachedTokens())
        .isPresent();
  }

  @Test
  void openaiStream() {
    ChatCompletion whole = openai.chat().completions().create(chat("Hello").build());
    ChatCompletionCreateParams streaming =
        chat("Hello")
            .streamOptions(ChatCompletionStreamOptions.builder().includeUsage(true).build())
            .build();
    StringBuilder text = new StringBuilder();
    List<ChatCompletionChunk> chunks = new ArrayList<>();
    try (StreamResponse<ChatCompletionChunk> s =
        openai.chat().completions().createStreaming(streaming)) {
      s.stream()
          .forEach(chunk -> {
            chunks.add(chunk);
            chunk.choices().forEach(c -> c.delta().content().ifPresent(text::append));
          });
    }
    assertThat(text.toString())
        .isEqualTo(whole.choices().getFirst().message().content().orElseThrow());
    assertThat(chunks.getLast().usage().orElseThrow().totalTokens())
        .isEqualTo(whole.usage().orElseThrow().totalTokens());
  }

  @Test
  void openaiCompletion() {
    Completion c =
        openai
            .completions()
            .create(
                CompletionCreateParams.builder()
                    .model(Running.NAME)
                    .prompt("The key")
                    .maxTokens(5)
                    .logprobs(2)
                    .echo(true)
                    .build());
    assertThat(c.choices().getFirst().text()).startsWith("The key");
    assertThat(c.choices().getFirst().logprobs().orElseThrow().tokens().orElseThrow())
        .hasSizeGreaterThan(2);
  }

  @Test
  void openaiModels() {
    assertThat(openai.models().list().data().getFirst().id()).isEqualTo(Running.NAME);
  }

  @Test
  void openaiErrors() {
    assertThatThrownBy(() -> openai.chat().completions().create(chat("x").temperature(3).build()))
        .isInstanceOf(BadRequestException.class)
        .hasMessageContaining("temperature");
    assertThatThrownBy(() -> openai.chat().completions().create(chat("x").model("gpt-9").build()))
        .isInstanceOf(NotFoundException.class)
        .hasMessageContaining("gpt-9");
    assertThatThrownBy(() -> openai.chat().completions().create(chat("word ".repeat(400)).build()))
        .isInstanceOf(BadRequestException.class)
        .hasMessageContaining("256 tokens");
    OpenAIClient other =
        OpenAIOkHttpClient.builder()
            .baseUrl(running.uri("/v1").toString())
            .apiKey("wrong")
            .maxRetries(0)
            .build();
    assertThatThrownBy(() -> other.models().list()).isInstanceOf(UnauthorizedException.class);
    other.close();
  }

  @Test
  void langchain4jChat() {
    OpenAiChatModel model =
        OpenAiChatModel.builder()
            .baseUrl(running.uri("/v1").toString())
            .apiKey(KEY)
            .modelName(Running.NAME)
            .temperature(0.0)
            .maxTokens(8)
            .maxRetries(0)
            .build();
    ChatResponse r = model.chat(SystemMessage.from("Be kind."), UserMessage.from("Hello"));
    assertThat(r.aiMessage().text()).isNotNull();
    assertThat(r.tokenUsage().outputTokenCount()).isBetween(1, 8);
  }

  @Test
  void langchain4jStream() throws Exception {
    OpenAiStreamingChatModel model =
        OpenAiStreamingChatModel.builder()
            .baseUrl(running.uri("/v1").toString())
            .apiKey(KEY)
            .modelName(Running.NAME)
            .temperature(0.0)
            .maxTokens(8)
            .build();
    CompletableFuture<ChatResponse> done = new CompletableFuture<>();
    StringBuilder text = new StringBuilder();
    model.chat(
        "Hello",
        new StreamingChatResponseHandler() {
          @Override
          public void onPartialResponse(String piece) {
            text.append(piece);
          }

          @Override
          public void onCompleteResponse(ChatResponse response) {
            done.complete(response);
          }

          @Override
          public void onError(Throwable error) {
            done.completeExceptionally(error);
          }
        });
    ChatResponse r = done.get(60, TimeUnit.SECONDS);
    assertThat(r.aiMessage().text()).isEqualTo(text.toString());
    assertThat(r.finishReason()).isNotNull();
  }
}
