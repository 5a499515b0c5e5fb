package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.models.FunctionDefinition;
import com.openai.models.FunctionParameters;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletion.Choice.FinishReason;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionMessageFunctionToolCall;
import com.openai.models.chat.completions.ChatCompletionNamedToolChoice;
import com.openai.models.chat.completions.ChatCompletionToolChoiceOption;
import com.openai.models.chat.completions.ChatCompletionToolMessageParam;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.openai.OpenAiChatModel;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Calls of functions through HTTP, with Qwen3's template and replies that a scheduler recites. */
class ToolCallsTest {
  private static final String PARIS =
      "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>";
  private static final String ROME = PARIS.replace("Paris", "Rome");

  private static Engine engine;
  private static HydraServer server;
  private static ScriptedScheduler script;
  private static OpenAIClient openai;

  @BeforeAll
  static void start(@TempDir Path folder) {
    Path checkpoint = Running.withQwen3Template(folder);
    script = new ScriptedScheduler(Tokenizer.load(checkpoint));
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults());
        HybridTransformer model =
            HybridTransformer.load(checkpoint, ops, ModelFiles.LoadOptions.STORED)) {
      engine = Engine.of(checkpoint, model, Running.NAME, script, () -> {});
    }
    server = HydraServer.start(engine, ServerOptions.DEFAULT.port(0));
    openai =
        OpenAIOkHttpClient.builder()
            .baseUrl(server.uri().resolve("/v1").toString())
            .apiKey("none")
            .maxRetries(0)
            .build();
  }

  @AfterAll
  static void stop() {
    openai.close();
    server.close();
    engine.close();
  }

  private static ChatCompletionCreateParams.Builder question() {
    return ChatCompletionCreateParams.builder()
        .model(Running.NAME)
        .addUserMessage("How is the weather in Paris?");
  }

  private static ChatCompletionCreateParams.Builder asking() {
    Map<String, Object> city = Map.of("city", Map.of("type", "string"));
    return question()
        .addFunctionTool(
            FunctionDefinition.builder()
                .name("weather")
                .description("The weather in a city")
                .parameters(
                    FunctionParameters.builder()
                        .putAdditionalProperty("type", JsonValue.from("object"))
                        .putAdditionalProperty("properties", JsonValue.from(city))
                        .build())
                .build());
  }

  /** The reply's only choice; in a stream, put together by OpenAI's own helper. */
  private static ChatCompletion.Choice ask(
      String reply, ChatCompletionCreateParams.Builder request, boolean stream) {
    script.reply(reply);
    if (!stream) {
      return openai.chat().completions().create(request.build()).choices().getFirst();
    }
    ChatCompletionAccumulator all = ChatCompletionAccumulator.create();
    try (StreamResponse<ChatCompletionChunk> s =
        openai.chat().completions().createStreaming(request.build())) {
      s.stream().forEach(all::accumulate);
    }
    return all.chatCompletion().choices().getFirst();
  }

  private static List<ChatCompletionMessageFunctionToolCall> calls(ChatCompletion.Choice c) {
    return c.message().toolCalls().orElse(List.of()).stream().map(t -> t.asFunction()).toList();
  }

  @Test
  void callsComeAsCalls() {
    for (boolean stream : new boolean[] {false, true}) {
      ChatCompletion.Choice c = ask("One moment.\n" + PARIS + "\n" + ROME, asking(), stream);
      assertThat(c.finishReason()).isEqualTo(FinishReason.TOOL_CALLS);
      assertThat(c.message().content()).contains("One moment.");
      assertThat(calls(c)).hasSize(2);
      assertThat(calls(c).get(0).id()).startsWith("call_").isNotEqualTo(calls(c).get(1).id());
      assertThat(calls(c).get(0).function().name()).isEqualTo("weather");
      assertThat(calls(c).get(0).function().arguments()).isEqualTo("{\"city\": \"Paris\"}");
      assertThat(calls(c).get(1).function().arguments()).isEqualTo("{\"city\": \"Rome\"}");
      assertThat(script.prompt()).contains("<tools>", "The weather in a city");
    }
  }

  @Test
  void withOnlyACallThereIsNoContent() {
    assertThat(ask(PARIS, asking(), false).message().content()).isEmpty();
  }

  /** What the client sends back is rendered as the model wrote it, with the function's result. */
  @Test
  void theNextTurnHasTheCallAndItsResult() {
    ChatCompletion.Choice c = ask("One moment.\n" + PARIS, asking(), false);
    ChatCompletionCreateParams.Builder next =
        asking()
            .addMessage(c.message())
            .addMessage(
                ChatCompletionToolMessageParam.builder()
                    .toolCallId(calls(c).getFirst().id())
                    .content("Rain")
                    .build());
    ChatCompletion.Choice end = ask("It rains.", next, false);
    assertThat(end.finishReason()).isEqualTo(FinishReason.STOP);
    assertThat(end.message().content()).contains("It rains.");
    assertThat(end.message().toolCalls()).isEmpty();
    assertThat(script.prompt())
        .contains(
            "<|im_start|>assistant\nOne moment.\n" + PARIS + "<|im_end|>\n",
            "<tool_response>\nRain\n</tool_response>");
  }

  @Test
  void whatIsNoCallStaysText() {
    String strange = PARIS.replace("weather", "rm");
    for (boolean stream : new boolean[] {false, true}) {
      for (String reply : List.of("Hello!\n", strange, PARIS.replace("}}", "}"))) {
        ChatCompletion.Choice c = ask(reply, asking(), stream);
        assertThat(c.message().content()).contains(reply);
        assertThat(c.finishReason()).isEqualTo(FinishReason.STOP);
        assertThat(calls(c)).isEmpty();
      }
      String cut = PARIS.substring(0, PARIS.length() - 20);
      int tokens = engine.tokenizer().encode(cut).length;
      ChatCompletion.Choice c = ask(PARIS, asking().maxCompletionTokens(tokens), stream);
      assertThat(c.finishReason()).isEqualTo(FinishReason.LENGTH);
      assertThat(c.message().content().orElseThrow()).startsWith("<tool_call>\n{\"name\"");
      assertThat(calls(c)).isEmpty();
    }
  }

  @Test
  void withoutToolsOrWithNoneNothingIsCalled() {
    ChatCompletionCreateParams.Builder none =
        asking().toolChoice(ChatCompletionToolChoiceOption.Auto.NONE);
    for (ChatCompletionCreateParams.Builder request : List.of(question(), none)) {
      for (boolean stream : new boolean[] {false, true}) {
        ChatCompletion.Choice c = ask(PARIS, request, stream);
        assertThat(c.message().content()).contains(PARIS);
        assertThat(calls(c)).isEmpty();
        assertThat(script.prompt()).doesNotContain("<tools>");
      }
    }
  }

  @Test
  void withoutParallelCallsTheReplyEndsWithTheFirst() {
    for (boolean stream : new boolean[] {false, true}) {
      ChatCompletion.Choice c =
          ask(PARIS + "\n" + ROME + " More.", asking().parallelToolCalls(false), stream);
      assertThat(c.finishReason()).isEqualTo(FinishReason.TOOL_CALLS);
      assertThat(calls(c)).hasSize(1);
      assertThat(c.message().content().orElse("")).isEmpty();
    }
  }

  /** Qwen3 thinks aloud: that is content, and nothing in it is called. */
  @Test
  void thoughtsAreContent() {
    String thought = "<think>\nPerhaps " + ROME + "?\n</think>";
    ChatCompletion.Choice c = ask(thought + "\n\n" + PARIS, asking(), false);
    assertThat(c.message().content()).contains(thought);
    assertThat(calls(c)).hasSize(1);
    assertThat(calls(c).getFirst().function().arguments()).contains("Paris");
  }

  @Test
  void aCallCannotBeEnforced() {
    assertThatThrownBy(
            () -> ask("", asking().toolChoice(ChatCompletionToolChoiceOption.Auto.REQUIRED), false))
        .isInstanceOf(BadRequestException.class)
        .hasMessageContaining("tool_choice");
    ChatCompletionNamedToolChoice named =
        ChatCompletionNamedToolChoice.builder()
            .function(ChatCompletionNamedToolChoice.Function.builder().name("weather").build())
            .build();
    assertThatThrownBy(() -> ask("", asking().toolChoice(named), false))
        .isInstanceOf(BadRequestException.class)
        .hasMessageContaining("tool_choice");
  }

  @Test
  void langchain4jCalls() {
    OpenAiChatModel model =
        OpenAiChatModel.builder()
            .baseUrl(server.uri().resolve("/v1").toString())
            .apiKey("none")
            .modelName(Running.NAME)
            .maxRetries(0)
            .build();
    script.reply(PARIS);
    ChatResponse r =
        model.chat(
            ChatRequest.builder()
                .messages(UserMessage.from("How is the weather in Paris?"))
                .toolSpecifications(
                    ToolSpecification.builder()
                        .name("weather")
                        .parameters(JsonObjectSchema.builder().addStringProperty("city").build())
                        .build())
                .build());
    assertThat(r.aiMessage().toolExecutionRequests())
        .extracting(ToolExecutionRequest::arguments)
        .containsExactly("{\"city\": \"Paris\"}");
  }
}
