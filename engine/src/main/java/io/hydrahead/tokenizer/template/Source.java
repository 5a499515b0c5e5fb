package io.hydrahead.tokenizer.template;

/**
 * The text of a template and where in it things stand.
 *
 * @param name what errors call it, such as {@code chat_template.jinja}
 * @param text with newlines as {@code \n} and without the last of them, which Jinja does not print
 */
record Source(String name, String text) {
  static Source of(String name, String text) {
    String unified = text.replace("\r\n", "\n").replace('\r', '\n');
    return new Source(
        name, unified.endsWith("\n") ? unified.substring(0, unified.length() - 1) : unified);
  }

  /** An error at offset {@code at}. */
  TemplateException error(int at, String message) {
    return new TemplateException(name, line(at), column(at), message);
  }

  /** Line of offset {@code at}, from 1. */
  int line(int at) {
    int line = 1;
    for (int i = 0; i < at; i++) {
      line += text.charAt(i) == '\n' ? 1 : 0;
    }
    return line;
  }

  /** Column of offset {@code at} in code points, from 1. */
  int column(int at) {
    int start = text.lastIndexOf('\n', at - 1) + 1;
    return at <= start ? 1 : text.codePointCount(start, at) + 1;
  }
}
