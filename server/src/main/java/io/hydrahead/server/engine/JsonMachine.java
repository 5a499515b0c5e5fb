package io.hydrahead.server.engine;

/**
 * Reads a JSON object byte by byte and knows after each what may follow (RFC 8259, UTF-8 only).
 * Nesting and runs of white space are bounded, so that a model cannot lose itself in them.
 */
final class JsonMachine {
  private static final int MAX_DEPTH = 60;
  private static final int MAX_SPACE = 40;
  private static final String[] LITERALS = {"true", "false", "null"};

  private enum At {
    START,
    FIRST_KEY,
    KEY,
    COLON,
    VALUE,
    FIRST_ITEM,
    AFTER_VALUE,
    STRING,
    ESCAPE,
    HEX,
    UTF8,
    LITERAL,
    MINUS,
    ZERO,
    INTEGER,
    POINT,
    FRACTION,
    EXPONENT,
    EXPONENT_SIGN,
    EXPONENT_DIGITS,
    DONE
  }

  /** Most white space before the object. */
  private final int mostLeading;

  private At at = At.START;

  /** One bit a container that is open, 1 for an object; the innermost lowest. */
  private long containers;

  private int depth;

  /** Whether the present string is a key. */
  private boolean key;

  /** Digits, bytes or letters still to come, or white space that has come. */
  private int count;

  private int literal;

  /** Range of the next byte within a character. */
  private int low;

  private int high;

  JsonMachine() {
    this(MAX_SPACE);
  }

  /**
   * @param mostLeading most bytes of white space before the object
   */
  JsonMachine(int mostLeading) {
    this.mostLeading = mostLeading;
  }

  void copyFrom(JsonMachine m) {
    at = m.at;
    containers = m.containers;
    depth = m.depth;
    key = m.key;
    count = m.count;
    literal = m.literal;
    low = m.low;
    high = m.high;
  }

  /** Whether a whole object was read. */
  boolean complete() {
    return at == At.DONE;
  }

  /** Reads a byte, 0 … 255; false if it may not come here, and then nothing can follow. */
  boolean step(int b) {
    return switch (at) {
      case START -> space(b) && count <= mostLeading || b == '{' && open(true);
      case FIRST_KEY -> space(b) || b == '}' && close() || b == '"' && string(true);
      case KEY -> space(b) || b == '"' && string(true);
      case COLON -> space(b) || b == ':' && go(At.VALUE);
      case VALUE -> space(b) || value(b);
      case FIRST_ITEM -> space(b) || b == ']' && close() || value(b);
      case AFTER_VALUE -> space(b) || afterValue(b);
      case STRING -> inString(b);
      case ESCAPE -> b == 'u' ? hex() : "\"\\/bfnrt".indexOf(b) >= 0 && go(At.STRING);
      case HEX -> Character.digit(b, 16) >= 0 && b < 128 && (--count > 0 || go(At.STRING));
      case UTF8 -> continuation(b);
      case LITERAL -> letter(b);
      case MINUS -> b == '0' ? go(At.ZERO) : digit(b) && go(At.INTEGER);
      case ZERO -> fraction(b) || ended(b);
      case INTEGER -> digit(b) || fraction(b) || ended(b);
      case POINT -> digit(b) && go(At.FRACTION);
      case FRACTION -> digit(b) || exponent(b) || ended(b);
      case EXPONENT ->
          b == '+' || b == '-' ? go(At.EXPONENT_SIGN) : digit(b) && go(At.EXPONENT_DIGITS);
      case EXPONENT_SIGN -> digit(b) && go(At.EXPONENT_DIGITS);
      case EXPONENT_DIGITS -> digit(b) || ended(b);
      case DONE -> false;
    };
  }

  private boolean go(At next) {
    at = next;
    count = 0;
    return true;
  }

  private boolean space(int b) {
    return (b == ' ' || b == '\n' || b == '\r' || b == '\t') && ++count <= MAX_SPACE;
  }

  private static boolean digit(int b) {
    return b >= '0' && b <= '9';
  }

  private boolean open(boolean object) {
    if (depth == MAX_DEPTH) {
      return false;
    }
    depth++;
    containers = containers << 1 | (object ? 1 : 0);
    return go(object ? At.FIRST_KEY : At.FIRST_ITEM);
  }

  private boolean close() {
    depth--;
    containers >>>= 1;
    return go(depth == 0 ? At.DONE : At.AFTER_VALUE);
  }

  private boolean string(boolean isKey) {
    key = isKey;
    return go(At.STRING);
  }

  private boolean value(int b) {
    return switch (b) {
      case '{' -> open(true);
      case '[' -> open(false);
      case '"' -> string(false);
      case '-' -> go(At.MINUS);
      case '0' -> go(At.ZERO);
      case 't' -> literal(0);
      case 'f' -> literal(1);
      case 'n' -> literal(2);
      default -> digit(b) && go(At.INTEGER);
    };
  }

  private boolean literal(int which) {
    literal = which;
    at = At.LITERAL;
    count = 1;
    return true;
  }

  private boolean letter(int b) {
    String word = LITERALS[literal];
    if (b != word.charAt(count)) {
      return false;
    }
    return ++count < word.length() || go(At.AFTER_VALUE);
  }

  private boolean afterValue(int b) {
    boolean object = (containers & 1) == 1;
    if (b == ',') {
      return go(object ? At.KEY : At.VALUE);
    }
    return b == (object ? '}' : ']') && close();
  }

  private boolean fraction(int b) {
    return b == '.' && go(At.POINT) || exponent(b);
  }

  private boolean exponent(int b) {
    return (b == 'e' || b == 'E') && go(At.EXPONENT);
  }

  /** A number ends with whatever follows it. */
  private boolean ended(int b) {
    return go(At.AFTER_VALUE) && step(b);
  }

  private boolean hex() {
    at = At.HEX;
    count = 4;
    return true;
  }

  private boolean inString(int b) {
    if (b == '"') {
      return go(key ? At.COLON : At.AFTER_VALUE);
    }
    if (b == '\\') {
      return go(At.ESCAPE);
    }
    if (b < 0x80) {
      return b >= 0x20;
    }
    if (b < 0xC2 || b > 0xF4) {
      return false;
    }
    at = At.UTF8;
    count = b < 0xE0 ? 1 : b < 0xF0 ? 2 : 3;
    low = b == 0xE0 ? 0xA0 : b == 0xF0 ? 0x90 : 0x80;
    high = b == 0xED ? 0x9F : b == 0xF4 ? 0x8F : 0xBF;
    return true;
  }

  private boolean continuation(int b) {
    if (b < low || b > high) {
      return false;
    }
    low = 0x80;
    high = 0xBF;
    return --count > 0 || go(At.STRING);
  }
}
