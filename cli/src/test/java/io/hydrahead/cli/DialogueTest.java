package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.json.Json;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.model.Session;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tokenizer.ChatTemplate;
import io.hydrahead.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever a template does with the turns, the session has read its text and nothing else. */
class DialogueTest {
  /** Keeps everything. */
  private static final String PLAIN =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
          + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

  /** Shortens what the model said before, as templates do with its thoughts. */
  private static final String FORGETFUL =
      PLAIN.replace("{{ m.content }}", "{{ m.content if m.role == 'user' else m.content[:3] }}");

  /** Begins differently at every turn. */
  private static final String COUNTING = "{{ messages|length }} " + PLAIN;

  @Test
  void everyTurnHasReadTheRenderedText(@TempDir Path folder) {
    Path model = SmallModel.write(folder.resolve("model"));
    Tokenizer tokenizer = Tokenizer.load(model);
    try (Ops ops = OpsFactory.cpu(new OpsOptions(1, "java", false));
        HybridTransformer m = HybridTransformer.load(model, ops, ModelFiles.LoadOptions.FLOAT32)) {
      for (String text : new String[] {PLAIN, FORGETFUL, COUNTING}) {
        ChatTemplate template = ChatTemplate.of(text, "t", Map.of());
        try (Session session = m.newSession(120);
            Session cold = m.newSession(120)) {
          Dialogue d = new Dialogue(template, tokenizer, null, Json.object(), session);
          for (String user : new String[] {"the fox", "jumps over", "", "the lazy dog"}) {
            int before = session.position();
            int[] ids = d.ask(user);
            int from = session.position();
            Tensor logits = session.prefill(ids);
            int[] all = d.read();
            assertThat(all).hasSize(session.position());
            cold.reset();
            float[] want = cold.prefill(all).toFloats();
            for (int i = 0; i < want.length; i++) {
              assertThat(logits.get(i)).isCloseTo(want[i], within(1e-4f));
            }
            if (text.equals(PLAIN)) {
              assertThat(from).isEqualTo(before);
            }
            int[] reply = tokenizer.encode("quick brown");
            session.decode(reply[0]);
            session.decode(reply[1]);
            d.answer(new Reply("quick brown", reply, "stop", all.length, 1, 1));
          }
        }
      }
    }
  }
}
