package io.hydrahead.tokenizer.template;

/** What a template itself says about its messages, by {@code raise_exception}. */
public final class RaisedException extends TemplateException {
  private static final long serialVersionUID = 1L;

  private final String reason;

  RaisedException(String name, int line, int column, String reason) {
    super(name, line, column, reason);
    this.reason = reason;
  }

  /** The template's own words. */
  public String reason() {
    return reason;
  }
}
