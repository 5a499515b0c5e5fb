package io.hydrahead.server.engine;

import io.hydrahead.model.LogitEdits;
import io.hydrahead.model.Sampler;
import io.hydrahead.model.TokenLogprobs;
import io.hydrahead.server.engine.GenerationListener.Finish;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Optional;

/** Chooses the tokens of one reply, tells them, and knows when it is over. */
final class ReplyTokens {
  private final GenerationRequest request;
  private final GenerationListener listener;
  private final LogitEdits edits;
  private final Sampler sampler;
  private final Optional<Constraint> constraint;
  private Tensor masked;
  private int count;
  private int last;

  ReplyTokens(GenerationRequest request, GenerationListener listener, int vocabSize) {
    this.request = request;
    this.listener = listener;
    edits = new LogitEdits(request.edits(), vocabSize);
    edits.prompt(request.prompt());
    sampler = new Sampler(request.sampling());
    constraint = request.constraint().map(Constraint.Maker::begin);
  }

  /** Tokens so far. */
  int count() {
    return count;
  }

  /** The token that came last. */
  int last() {
    return last;
  }

  /** How the reply ends before its first token, if it does. */
  Optional<Finish> before() {
    return request.maxTokens() == 0 ? Optional.of(Finish.LENGTH) : Optional.empty();
  }

  /** Whether the most likely token is all that is asked for: {@link #take(int)} will do. */
  boolean plain() {
    return sampled() && request.sampling().temperature() == 0;
  }

  /** Whether what {@link #sampler} chooses is all that is asked for. */
  boolean sampled() {
    return request.edits().equals(LogitEdits.Settings.NONE)
        && constraint.isEmpty()
        && request.logprobs() < 0;
  }

  /** How tokens are chosen. */
  Sampler sampler() {
    return sampler;
  }

  /** Takes a token that was chosen for it; the finish if it is the end. */
  Optional<Finish> take(int chosen) {
    return told(chosen, Optional.empty());
  }

  /** Chooses the next token from logits [V]; the finish if it is the end. */
  Optional<Finish> take(Tensor logits) {
    int id = sampler.next(choices(logits));
    Optional<TokenLogprobs> logprobs =
        request.logprobs() < 0 || request.endIds().contains(id)
            ? Optional.empty()
            : Optional.of(TokenLogprobs.of(logits, id, request.logprobs()));
    return told(id, logprobs);
  }

  private Tensor choices(Tensor logits) {
    Tensor edited = edits.apply(logits);
    if (constraint.isEmpty()) {
      return edited;
    }
    if (masked == null) {
      masked = Tensor.allocate(Arena.ofAuto(), logits.size(0));
    }
    masked.copyFrom(edited);
    constraint.get().mask(masked, request.endIds());
    return masked;
  }

  private Optional<Finish> told(int id, Optional<TokenLogprobs> logprobs) {
    if (request.endIds().contains(id)) {
      return Optional.of(Finish.STOP);
    }
    last = id;
    count++;
    listener.token(id, logprobs);
    edits.generated(id);
    constraint.ifPresent(c -> c.advance(id));
    if (constraint.isPresent() && constraint.get().complete()) {
      return Optional.of(Finish.STOP);
    }
    return count == request.maxTokens() ? Optional.of(Finish.LENGTH) : Optional.empty();
  }
}
