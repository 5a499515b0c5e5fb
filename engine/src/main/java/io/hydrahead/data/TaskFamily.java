package io.hydrahead.data;

import io.hydrahead.tensor.InputException;
import java.util.Arrays;
import java.util.Locale;

/** The kinds of generated retrieval text: the evaluation's tasks, key–value lists and copies. */
public enum TaskFamily {
  NIAH_SINGLE_1,
  NIAH_SINGLE_2,
  NIAH_SINGLE_3,
  NIAH_MULTIKEY_1,
  NIAH_MULTIKEY_2,
  NIAH_MULTIKEY_3,
  NIAH_MULTIVALUE,
  NIAH_MULTIQUERY,
  VT,
  CWE,
  FWE,
  MQAR,
  PHONEBOOK,
  KEY_VALUE,
  COPY;

  /** Name as tasks and recipes spell it. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Whether it is one of RULER's eight needle tasks. */
  public boolean isNeedle() {
    return name().startsWith("NIAH");
  }

  /**
   * The family called {@code id}.
   *
   * @throws InputException naming the known ones
   */
  public static TaskFamily of(String id) {
    for (TaskFamily f : values()) {
      if (f.id().equals(id)) {
        return f;
      }
    }
    throw new InputException(
        "unknown task \""
            + id
            + "\"; use one of "
            + String.join(", ", Arrays.stream(values()).map(TaskFamily::id).toList()));
  }

  /** The generator of this family's texts. */
  public TaskGenerator generator(TaskOptions options) {
    return switch (this) {
      case VT -> new VariableTracking(options);
      case CWE -> new CommonWords(options);
      case FWE -> new FrequentWords(options);
      case MQAR, KEY_VALUE -> new KeyValueList(this, options);
      case PHONEBOOK -> new Phonebook(options);
      case COPY -> new CopiedPassage(options);
      default -> new Needles(this, options);
    };
  }
}
