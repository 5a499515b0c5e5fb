package io.hydrahead.tokenizer.template;

/**
 * A piece of a template's source.
 *
 * @param text as written; of {@code DATA} and {@code STRING} what it stands for
 * @param at offset in the source
 */
record Token(Kind kind, String text, int at) {
  enum Kind {
    DATA,
    VARIABLE_BEGIN,
    VARIABLE_END,
    BLOCK_BEGIN,
    BLOCK_END,
    NAME,
    STRING,
    INTEGER,
    FLOAT,
    OPERATOR,
    END
  }

  boolean is(Kind kind, String text) {
    return this.kind == kind && this.text.equals(text);
  }

  boolean operator(String text) {
    return is(Kind.OPERATOR, text);
  }

  boolean name(String text) {
    return is(Kind.NAME, text);
  }

  /** What an error calls it. */
  String show() {
    return switch (kind) {
      case END -> "the end of the template";
      case VARIABLE_END -> "'}}'";
      case BLOCK_END -> "'%}'";
      case STRING -> "a string";
      case DATA -> "text";
      default -> "'" + text + "'";
    };
  }
}
