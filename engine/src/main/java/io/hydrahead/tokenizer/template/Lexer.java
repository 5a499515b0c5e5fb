package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Token.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Cuts a template into tokens. White space around tags goes as with {@code trim_blocks} and {@code
 * lstrip_blocks}: the newline after a tag, and blanks between the start of its line and it; a minus
 * sign at a tag takes all white space on that side, a plus sign leaves it.
 */
final class Lexer {
  private static final List<String> LONG_OPERATORS = List.of("//", "**", "==", "!=", ">=", "<=");
  private static final String OPERATORS = "+-/*%~[](){}><=.:|,;";
  private static final String CLOSING = ")]}";
  private static final String OPENING = "([{";

  private final Source source;
  private final String s;
  private final List<Token> out = new ArrayList<>();

  /** Whether what was read last ends with a newline, or nothing was read yet. */
  private boolean lineStarts = true;

  private int pos;

  private Lexer(Source source) {
    this.source = source;
    this.s = source.text();
  }

  /**
   * All tokens, an {@code END} last.
   *
   * @throws TemplateException if a tag, comment or string does not end, or at a stray character
   */
  static List<Token> tokens(Source source) {
    Lexer lexer = new Lexer(source);
    while (lexer.pos < lexer.s.length()) {
      lexer.text();
    }
    lexer.add(Kind.END, "", lexer.pos);
    return lexer.out;
  }

  private void add(Kind kind, String text, int at) {
    out.add(new Token(kind, text, at));
  }

  /** Text up to the next tag, and that tag. */
  private void text() {
    int from = pos;
    int tag = nextTag(from);
    if (tag < 0) {
      add(Kind.DATA, s.substring(from), from);
      pos = s.length();
      return;
    }
    char kind = s.charAt(tag + 1);
    char sign = tag + 2 < s.length() ? s.charAt(tag + 2) : ' ';
    boolean signed = sign == '-' || sign == '+';
    data(from, tag, sign, kind != '{');
    pos = tag + (signed ? 3 : 2);
    lineStarts = false;
    switch (kind) {
      case '#' -> comment(tag);
      case '{' -> {
        add(Kind.VARIABLE_BEGIN, "{{", tag);
        expression(tag, false);
      }
      default -> {
        int raw = rawBegin(pos);
        if (raw >= 0) {
          raw(tag, raw);
        } else {
          add(Kind.BLOCK_BEGIN, "{%", tag);
          expression(tag, true);
        }
      }
    }
  }

  private int nextTag(int from) {
    for (int i = s.indexOf('{', from); i >= 0 && i + 1 < s.length(); i = s.indexOf('{', i + 1)) {
      if ("{%#".indexOf(s.charAt(i + 1)) >= 0) {
        return i;
      }
    }
    return -1;
  }

  /** Adds the text before a tag, as far as the tag leaves it. */
  private void data(int from, int to, char sign, boolean block) {
    int end = to;
    if (sign == '-') {
      while (end > from && PythonText.isSpace(s.charAt(end - 1))) {
        end--;
      }
    } else if (sign != '+' && block) {
      int line = Math.max(s.lastIndexOf('\n', to - 1) + 1, from);
      boolean atLineStart = line > from || lineStarts;
      if (atLineStart && PythonText.isSpace(s, line, to)) {
        end = line;
      }
    }
    if (end > from) {
      add(Kind.DATA, s.substring(from, end), from);
    }
  }

  private void comment(int tag) {
    int end = s.indexOf("#}", pos);
    if (end < 0) {
      throw source.error(tag, "this comment does not end; write '#}'");
    }
    char sign = end > pos ? s.charAt(end - 1) : ' ';
    closeBlock(end + 2, sign);
  }

  /** Goes behind the end of a block or comment at {@code end}. */
  private void closeBlock(int end, char sign) {
    pos = end;
    if (sign == '-') {
      skipSpace();
    } else if (sign != '+' && pos < s.length() && s.charAt(pos) == '\n') {
      pos++;
    }
    lineStarts = pos > end && s.charAt(pos - 1) == '\n';
  }

  private void skipSpace() {
    while (pos < s.length() && PythonText.isSpace(s.charAt(pos))) {
      pos++;
    }
  }

  /** Offset behind {@code raw %}} at {@code from}, or −1. */
  private int rawBegin(int from) {
    int i = afterWord(from, "raw");
    if (i < 0) {
      return -1;
    }
    if (s.startsWith("%}", i)) {
      return i + 2;
    }
    if (!s.startsWith("-%}", i)) {
      return -1;
    }
    i += 3;
    while (i < s.length() && PythonText.isSpace(s.charAt(i))) {
      i++;
    }
    return i;
  }

  private int afterWord(int from, String word) {
    int i = from;
    while (i < s.length() && PythonText.isSpace(s.charAt(i))) {
      i++;
    }
    if (!s.startsWith(word, i)) {
      return -1;
    }
    i += word.length();
    while (i < s.length() && PythonText.isSpace(s.charAt(i))) {
      i++;
    }
    return i;
  }

  private void raw(int tag, int from) {
    for (int i = s.indexOf("{%", from); i >= 0; i = s.indexOf("{%", i + 1)) {
      char sign = i + 2 < s.length() ? s.charAt(i + 2) : ' ';
      int end = afterWord(sign == '-' || sign == '+' ? i + 3 : i + 2, "endraw");
      if (end < 0) {
        continue;
      }
      char endSign = s.charAt(Math.min(end, s.length() - 1));
      int close = endSign == '-' || endSign == '+' ? end + 1 : end;
      if (s.startsWith("%}", close)) {
        lineStarts = from > 0 && s.charAt(from - 1) == '\n';
        data(from, i, sign, true);
        closeBlock(close + 2, endSign);
        return;
      }
    }
    throw source.error(tag, "this raw block does not end; write '{% endraw %}'");
  }

  /** Tokens of a tag up to its end. */
  private void expression(int tag, boolean block) {
    Deque<Character> open = new ArrayDeque<>();
    while (true) {
      skipSpace();
      if (pos >= s.length()) {
        throw source.error(tag, "this tag does not end; write '" + (block ? "%}" : "}}") + "'");
      }
      if (open.isEmpty() && closes(block)) {
        return;
      }
      token(open);
    }
  }

  private boolean closes(boolean block) {
    String close = block ? "%}" : "}}";
    char c = s.charAt(pos);
    boolean signed = c == '-' || block && c == '+';
    int at = signed ? pos + 1 : pos;
    if (!s.startsWith(close, at)) {
      return false;
    }
    add(block ? Kind.BLOCK_END : Kind.VARIABLE_END, close, pos);
    if (block) {
      closeBlock(at + 2, c);
    } else {
      pos = at + 2;
      if (signed) {
        skipSpace();
      }
      lineStarts = pos > at + 2 && s.charAt(pos - 1) == '\n';
    }
    return true;
  }

  private void token(Deque<Character> open) {
    char c = s.charAt(pos);
    if (c >= '0' && c <= '9') {
      number();
    } else if (Character.isUnicodeIdentifierStart(s.codePointAt(pos)) || c == '_') {
      int from = pos;
      while (pos < s.length() && isNamePart(s.codePointAt(pos))) {
        pos += Character.charCount(s.codePointAt(pos));
      }
      add(Kind.NAME, s.substring(from, pos), from);
    } else if (c == '\'' || c == '"') {
      string(c);
    } else {
      operator(c, open);
    }
  }

  private static boolean isNamePart(int c) {
    return c == '_' || Character.isUnicodeIdentifierPart(c) && !Character.isIdentifierIgnorable(c);
  }

  private void operator(char c, Deque<Character> open) {
    int at = pos;
    for (String two : LONG_OPERATORS) {
      if (s.startsWith(two, pos)) {
        add(Kind.OPERATOR, two, pos);
        pos += 2;
        return;
      }
    }
    if (OPERATORS.indexOf(c) < 0) {
      throw source.error(
          pos, "unexpected character '" + Character.toString(s.codePointAt(pos)) + "'");
    }
    if (OPENING.indexOf(c) >= 0) {
      open.push(CLOSING.charAt(OPENING.indexOf(c)));
    } else if (CLOSING.indexOf(c) >= 0 && (open.isEmpty() || open.pop() != c)) {
      throw source.error(pos, "unexpected '" + c + "'");
    }
    add(Kind.OPERATOR, String.valueOf(c), at);
    pos++;
  }

  private void number() {
    int from = pos;
    if (s.charAt(pos) == '0' && pos + 1 < s.length() && "bBoOxX".indexOf(s.charAt(pos + 1)) >= 0) {
      pos += 2;
      int digits = pos;
      while (pos < s.length()
          && (Character.digit(s.charAt(pos), 16) >= 0 || s.charAt(pos) == '_')) {
        pos++;
      }
      if (pos == digits) {
        throw source.error(from, "a number needs digits");
      }
      add(Kind.INTEGER, s.substring(from, pos).replace("_", ""), from);
      return;
    }
    digits();
    boolean integer = true;
    boolean afterDot = from > 0 && s.charAt(from - 1) == '.';
    if (!afterDot && pos + 1 < s.length() && s.charAt(pos) == '.' && isDigit(pos + 1)) {
      integer = false;
      pos++;
      digits();
    }
    if (!afterDot && pos < s.length() && (s.charAt(pos) == 'e' || s.charAt(pos) == 'E')) {
      int exponent = pos + 1;
      if (exponent < s.length() && "+-".indexOf(s.charAt(exponent)) >= 0) {
        exponent++;
      }
      if (isDigit(exponent)) {
        integer = false;
        pos = exponent;
        digits();
      }
    }
    String digits = s.substring(from, pos).replace("_", "");
    if (integer && digits.length() > 1 && digits.startsWith("0") && !digits.matches("0+")) {
      throw source.error(from, "a whole number does not begin with 0");
    }
    add(integer ? Kind.INTEGER : Kind.FLOAT, digits, from);
  }

  private boolean isDigit(int i) {
    return i < s.length() && s.charAt(i) >= '0' && s.charAt(i) <= '9';
  }

  private void digits() {
    while (isDigit(pos) || pos < s.length() && s.charAt(pos) == '_' && isDigit(pos + 1)) {
      pos++;
    }
  }

  private void string(char quote) {
    int from = pos++;
    StringBuilder value = new StringBuilder();
    while (pos < s.length() && s.charAt(pos) != quote) {
      char c = s.charAt(pos++);
      if (c != '\\') {
        value.append(c);
      } else if (pos < s.length()) {
        escape(value);
      }
    }
    if (pos >= s.length()) {
      throw source.error(from, "this string does not end; write " + quote);
    }
    pos++;
    add(Kind.STRING, value.toString(), from);
  }

  /** The escapes of Python; a backslash before anything else stands for itself. */
  private void escape(StringBuilder value) {
    char c = s.charAt(pos++);
    switch (c) {
      case '\n' -> {}
      case '\\', '\'', '"' -> value.append(c);
      case 'n' -> value.append('\n');
      case 't' -> value.append('\t');
      case 'r' -> value.append('\r');
      case 'a' -> value.append('\u0007');
      case 'b' -> value.append('\b');
      case 'f' -> value.append('\f');
      case 'v' -> value.append('\u000b');
      case 'x' -> value.appendCodePoint(hexadecimal(2));
      case 'u' -> value.appendCodePoint(hexadecimal(4));
      case 'U' -> value.appendCodePoint(hexadecimal(8));
      case 'N' ->
          throw source.error(pos - 2, "characters by name are not supported; write \\uXXXX");
      default -> {
        if (c >= '0' && c <= '7') {
          int code = c - '0';
          for (int i = 0; i < 2 && pos < s.length() && octal(s.charAt(pos)); i++) {
            code = code * 8 + s.charAt(pos++) - '0';
          }
          value.appendCodePoint(code);
        } else {
          value.append('\\').append(c);
        }
      }
    }
  }

  private static boolean octal(char c) {
    return c >= '0' && c <= '7';
  }

  private int hexadecimal(int digits) {
    long code = 0;
    for (int i = 0; i < digits; i++) {
      int digit = pos < s.length() ? Character.digit(s.charAt(pos), 16) : -1;
      if (digit < 0) {
        throw source.error(pos, "this escape needs " + digits + " hexadecimal digits");
      }
      code = code * 16 + digit;
      pos++;
    }
    if (code > Character.MAX_CODE_POINT) {
      throw source.error(pos - digits, "there is no such character");
    }
    return (int) code;
  }
}
