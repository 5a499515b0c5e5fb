package io.hydrahead.tokenizer.template;

import io.hydrahead.tensor.InputException;

/**
 * A template that cannot be read, or does not take the messages it is given. The message names the
 * template, line and column.
 */
public class TemplateException extends InputException {
  private static final long serialVersionUID = 1L;

  private final int line;
  private final int column;

  TemplateException(String name, int line, int column, String message) {
    super(name + ", line " + line + ", column " + column + ": " + message);
    this.line = line;
    this.column = column;
  }

  /** Line in the template, from 1. */
  public final int line() {
    return line;
  }

  /** Column in code points, from 1. */
  public final int column() {
    return column;
  }
}
