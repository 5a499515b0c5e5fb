package io.hydrahead.tokenizer.template;

/** An error on its way to the node that knows where it is. */
final class Failure extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Whose fault it is. */
  enum Kind {
    MISUSE,
    RAISED,
    LIMIT
  }

  private final Kind kind;

  Failure(String message) {
    this(Kind.MISUSE, message);
  }

  Failure(Kind kind, String message) {
    super(message, null, false, false);
    this.kind = kind;
  }

  /** The same for users, at a place in the template. */
  TemplateException at(Source source, int at) {
    int line = source.line(at);
    int column = source.column(at);
    return switch (kind) {
      case MISUSE -> new TemplateException(source.name(), line, column, getMessage());
      case RAISED -> new RaisedException(source.name(), line, column, getMessage());
      case LIMIT -> new LimitException(source.name(), line, column, getMessage());
    };
  }
}
