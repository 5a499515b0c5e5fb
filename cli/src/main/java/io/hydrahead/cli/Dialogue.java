package io.hydrahead.cli;

import io.hydrahead.json.Json;
import io.hydrahead.model.Session;
import io.hydrahead.tokenizer.ChatTemplate;
import io.hydrahead.tokenizer.ChatTemplate.Conversation;
import io.hydrahead.tokenizer.Tokenizer;
import java.util.Arrays;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What was said in a chat, and how far a session has read it. Every turn the template renders all
 * messages anew; the session goes on from where its tokens and the new ones part, if it can get
 * there: templates may drop what the model has thought, and a reply's text may have other tokens
 * than those that the model chose.
 */
final class Dialogue {
  private final ChatTemplate template;
  private final Tokenizer tokenizer;
  private final String system;
  private final ObjectNode extras;
  private final Session session;
  private final ArrayNode messages = Json.object().putArray("messages");

  /** Tokens of the last prompt and of its reply, as far as the session has read them. */
  private int[] read = new int[0];

  /** Where the last turn began to read. */
  private Session.Mark mark;

  /**
   * @param system what the model is told first, or null
   * @param extras further variables of the template
   */
  Dialogue(
      ChatTemplate template,
      Tokenizer tokenizer,
      String system,
      ObjectNode extras,
      Session session) {
    this.template = template;
    this.tokenizer = tokenizer;
    this.system = system;
    this.extras = extras;
    this.session = session;
    this.mark = session.mark();
    forget();
  }

  /** Begins anew. */
  void forget() {
    messages.removeAll();
    session.reset();
    read = new int[0];
    mark = session.mark();
    if (system != null) {
      say("system", system);
    }
  }

  private void say(String role, String content) {
    messages.addObject().put("role", role).put("content", content);
  }

  /**
   * Adds a turn of the user.
   *
   * @return what the session, moved to where that goes on, has to read next
   */
  int[] ask(String user) {
    say("user", user);
    int[] all =
        template.encode(new Conversation(messages, Conversation.NONE, true, extras), tokenizer);
    int common = Arrays.mismatch(all, read);
    int agree = common < 0 ? read.length : common;
    if (agree < session.position() || session.position() >= all.length) {
      if (mark.position() <= agree && mark.position() < all.length) {
        session.rewind(mark);
      } else {
        session.reset();
      }
    }
    mark = session.mark();
    read = all;
    return Arrays.copyOfRange(all, session.position(), all.length);
  }

  /** Tokens of the last prompt, and of its reply once that is there, as far as they were read. */
  int[] read() {
    return read.clone();
  }

  /** Takes the last question back, which was not read. */
  void takeBack() {
    messages.remove(messages.size() - 1);
    read = Arrays.copyOf(read, session.position());
  }

  /** Adds the model's turn. */
  void answer(Reply reply) {
    say("assistant", reply.text());
    int[] all = Arrays.copyOf(read, read.length + reply.ids().length);
    System.arraycopy(reply.ids(), 0, all, read.length, reply.ids().length);
    read = Arrays.copyOf(all, session.position());
  }
}
