package io.hydrahead.tokenizer.template;

/** A rendering that took more than its {@link Limits}. */
public final class LimitException extends TemplateException {
  private static final long serialVersionUID = 1L;

  LimitException(String name, int line, int column, String message) {
    super(name, line, column, message);
  }
}
