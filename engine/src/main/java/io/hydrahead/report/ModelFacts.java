package io.hydrahead.report;

import java.util.List;

/**
 * What a report says of a model besides its results. Numbers that are not known are 0, texts and
 * lists empty.
 *
 * @param name as in the cells
 * @param fullHeads the full heads of each layer; empty if the plan is not known
 * @param heads H, query heads a layer
 * @param kvHeads KV heads a layer
 * @param nativeLength context of the Transformer that the model is or was made of, in tokens
 * @param trainedLength context that the model was trained for: longer, where it was lengthened
 * @param source file that this is from
 */
public record ModelFacts(
    String name,
    List<List<Integer>> fullHeads,
    int heads,
    int kvHeads,
    int nativeLength,
    int trainedLength,
    Memory memory,
    String source) {

  /**
   * Sizes in scalars and bytes; the KV cache grows by the token, the recurrent state does not, nor
   * (counted with it) a window of keys and values that is full.
   */
  public record Memory(
      long parameters, long parameterBytes, long kvBytesPerToken, long stateBytes) {
    public static final Memory UNKNOWN = new Memory(0, 0, 0, 0);

    public boolean isKnown() {
      return parameters > 0;
    }

    /** KV cache and recurrent state of one sequence. */
    public long cacheBytes(long tokens) {
      return kvBytesPerToken * tokens + stateBytes;
    }
  }

  /** What the plan amounts to. */
  public enum Kind {
    UNKNOWN("plan not given"),
    VANILLA("every head full"),
    LAYER_WISE("whole layers full"),
    HEAD_WISE("single heads full"),
    LINEAR("no head full");

    private final String words;

    Kind(String words) {
      this.words = words;
    }

    public String words() {
      return words;
    }
  }

  public Kind kind() {
    if (!hasPlan()) {
      return Kind.UNKNOWN;
    }
    int full = fullCount();
    if (full == 0) {
      return Kind.LINEAR;
    }
    if (full == cells()) {
      return Kind.VANILLA;
    }
    boolean rows = fullHeads.stream().allMatch(r -> r.isEmpty() || r.size() == heads);
    return rows ? Kind.LAYER_WISE : Kind.HEAD_WISE;
  }

  public boolean hasPlan() {
    return !fullHeads.isEmpty() && heads > 0;
  }

  /** Heads in all. */
  public int cells() {
    return fullHeads.size() * heads;
  }

  public int fullCount() {
    return fullHeads.stream().mapToInt(List::size).sum();
  }

  /** Query heads to a KV head, 1 if not known. */
  public int group() {
    return kvHeads > 0 && heads % kvHeads == 0 ? heads / kvHeads : 1;
  }

  /** Kept KV heads over all KV heads. */
  public double cacheShare() {
    long kept = 0;
    for (List<Integer> row : fullHeads) {
      kept += row.stream().map(h -> h / group()).distinct().count();
    }
    return kept / (double) (fullHeads.size() * (heads / group()));
  }

  /** This under another name. */
  ModelFacts withName(String other) {
    return new ModelFacts(
        other, fullHeads, heads, kvHeads, nativeLength, trainedLength, memory, source);
  }

  /** This after a training for {@code tokens} of context. */
  public ModelFacts trainedFor(int tokens) {
    return new ModelFacts(name, fullHeads, heads, kvHeads, nativeLength, tokens, memory, source);
  }

  /** This, with what is not known taken from {@code other}. */
  ModelFacts or(ModelFacts other) {
    return new ModelFacts(
        name,
        hasPlan() ? fullHeads : other.fullHeads,
        hasPlan() ? heads : other.heads,
        hasPlan() ? kvHeads : other.kvHeads,
        nativeLength > 0 ? nativeLength : other.nativeLength,
        trainedLength > 0 ? trainedLength : other.trainedLength,
        memory.isKnown() ? memory : other.memory,
        source.isEmpty() ? other.source : source);
  }
}
