package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Token.Kind;
import java.util.List;

/** Where a parser stands among the tokens, and how deep it has nested. */
final class Tokens {
  /** More than any template needs, and safe on a thread's stack. */
  private static final int MAX_DEPTH = 150;

  private final Source source;
  private final List<Token> tokens;
  private int next;
  private int depth;

  Tokens(Source source) {
    this.source = source;
    this.tokens = Lexer.tokens(source);
  }

  Token peek() {
    return tokens.get(next);
  }

  Token second() {
    return tokens.get(Math.min(next + 1, tokens.size() - 1));
  }

  Token take() {
    Token t = peek();
    if (t.kind() != Kind.END) {
      next++;
    }
    return t;
  }

  int at() {
    return peek().at();
  }

  boolean skipOperator(String text) {
    if (peek().operator(text)) {
      next++;
      return true;
    }
    return false;
  }

  boolean skipName(String text) {
    if (peek().name(text)) {
      next++;
      return true;
    }
    return false;
  }

  Token expect(Kind kind, String what) {
    if (peek().kind() != kind) {
      throw error("expected " + what + ", found " + peek().show());
    }
    return take();
  }

  Token expectOperator(String text) {
    if (!peek().operator(text)) {
      throw error("expected '" + text + "', found " + peek().show());
    }
    return take();
  }

  /** An error at the next token. */
  TemplateException error(String message) {
    return source.error(at(), message);
  }

  TemplateException error(int at, String message) {
    return source.error(at, message);
  }

  void enter() {
    if (++depth > MAX_DEPTH) {
      throw error("this is nested more than " + MAX_DEPTH + " deep");
    }
  }

  void leave() {
    depth--;
  }
}
