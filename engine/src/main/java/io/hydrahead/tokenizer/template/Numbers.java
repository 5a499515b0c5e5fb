package io.hydrahead.tokenizer.template;

import java.math.BigDecimal;
import java.math.BigInteger;

/** Python's arithmetic. */
final class Numbers {
  private static final int MAX_BITS = 1 << 16;

  private Numbers() {}

  static boolean isNumber(Object v) {
    return v instanceof Long || v instanceof Double || v instanceof BigInteger || isBoolean(v);
  }

  private static boolean isBoolean(Object v) {
    return v instanceof Boolean;
  }

  static boolean isInteger(Object v) {
    return v instanceof Long || v instanceof BigInteger || isBoolean(v);
  }

  /** An integer in the form that values have. */
  static Object normal(BigInteger n) {
    if (n.bitLength() > MAX_BITS) {
      throw new Failure(Failure.Kind.LIMIT, "a number of more than " + MAX_BITS + " bits");
    }
    return n.bitLength() < 64 ? (Object) n.longValue() : n;
  }

  static BigInteger big(Object v) {
    return switch (v) {
      case Long n -> BigInteger.valueOf(n);
      case BigInteger n -> n;
      case Boolean b -> b ? BigInteger.ONE : BigInteger.ZERO;
      default -> throw new Failure("not a whole number: a value of type " + Values.type(v));
    };
  }

  static double real(Object v) {
    return v instanceof Double d ? d : big(v).doubleValue();
  }

  static int compare(Object a, Object b) {
    if (a instanceof Long x && b instanceof Long y) {
      return Long.compare(x, y);
    }
    if (isInteger(a) && isInteger(b)) {
      return big(a).compareTo(big(b));
    }
    double x = real(a);
    double y = real(b);
    if (Double.isNaN(x) || Double.isNaN(y)) {
      return 1; // never equal, never less
    }
    if (Double.isInfinite(x)
        || Double.isInfinite(y)
        || a instanceof Double && b instanceof Double) {
      return x < y ? -1 : x == y ? 0 : 1;
    }
    return exact(a).compareTo(exact(b));
  }

  private static BigDecimal exact(Object v) {
    return v instanceof Double d ? new BigDecimal(d) : new BigDecimal(big(v));
  }

  static Object negate(Object v) {
    require(v, "-");
    return v instanceof Double d ? (Object) (-d) : normal(big(v).negate());
  }

  static Object plus(Object v) {
    require(v, "+");
    return v instanceof Double ? v : normal(big(v));
  }

  private static void require(Object v, String operator) {
    Values.defined(v);
    if (!isNumber(v)) {
      throw new Failure("'" + operator + "' needs a number, not a value of type " + Values.type(v));
    }
  }

  /** {@code a operator b} of two numbers. */
  static Object arithmetic(String operator, Object a, Object b) {
    require(a, operator);
    require(b, operator);
    boolean integers = isInteger(a) && isInteger(b);
    return switch (operator) {
      case "+" -> integers ? normal(big(a).add(big(b))) : (Object) (real(a) + real(b));
      case "-" -> integers ? normal(big(a).subtract(big(b))) : (Object) (real(a) - real(b));
      case "*" -> integers ? normal(big(a).multiply(big(b))) : (Object) (real(a) * real(b));
      case "/" -> real(a) / divisor(b);
      case "//" -> integers ? normal(floorDiv(a, b)) : (Object) Math.floor(real(a) / divisor(b));
      case "%" -> integers ? normal(floorMod(a, b)) : (Object) modulo(real(a), divisor(b));
      case "**" -> power(a, b, integers);
      default -> throw new IllegalArgumentException(operator);
    };
  }

  private static double divisor(Object b) {
    double d = real(b);
    if (d == 0) {
      throw new Failure("division by zero");
    }
    return d;
  }

  private static BigInteger floorDiv(Object a, Object b) {
    divisor(b);
    BigInteger[] parts = big(a).divideAndRemainder(big(b));
    boolean down = parts[1].signum() != 0 && parts[1].signum() != big(b).signum();
    return down ? parts[0].subtract(BigInteger.ONE) : parts[0];
  }

  private static BigInteger floorMod(Object a, Object b) {
    return big(a).subtract(floorDiv(a, b).multiply(big(b)));
  }

  private static double modulo(double a, double b) {
    double m = a % b;
    return m != 0 && (m < 0) != (b < 0) ? m + b : m;
  }

  private static Object power(Object a, Object b, boolean integers) {
    if (!integers || big(b).signum() < 0) {
      return Math.pow(real(a), real(b));
    }
    BigInteger base = big(a);
    BigInteger exponent = big(b);
    if (base.bitLength() <= 1 && exponent.bitLength() > 1) { // 0, 1, −1 and −2
      exponent = base.equals(BigInteger.valueOf(-2)) ? exponent : small(exponent);
    }
    if (exponent.bitLength() > 31 || base.bitLength() * exponent.longValue() > MAX_BITS) {
      throw new Failure(Failure.Kind.LIMIT, "a number of more than " + MAX_BITS + " bits");
    }
    return normal(base.pow(exponent.intValue()));
  }

  /** For powers of 0, 1 and −1 only whether the exponent is odd counts. */
  private static BigInteger small(BigInteger exponent) {
    return exponent.testBit(0) ? BigInteger.ONE : BigInteger.TWO;
  }

  /** As Python prints a float: shortest digits that read back, exponents below −4 and from 16. */
  static String repr(double d) {
    if (Double.isNaN(d)) {
      return "nan";
    }
    if (Double.isInfinite(d)) {
      return d > 0 ? "inf" : "-inf";
    }
    if (d == 0) {
      return 1 / d < 0 ? "-0.0" : "0.0";
    }
    BigDecimal shortest = new BigDecimal(Double.toString(Math.abs(d))).stripTrailingZeros();
    String digits = shortest.unscaledValue().toString();
    int exponent = digits.length() - shortest.scale() - 1;
    String sign = d < 0 ? "-" : "";
    if (exponent < -4 || exponent >= 16) {
      String mantissa =
          digits.length() == 1 ? digits : digits.charAt(0) + "." + digits.substring(1);
      String padded = Math.abs(exponent) < 10 ? "0" + Math.abs(exponent) : "" + Math.abs(exponent);
      return sign + mantissa + "e" + (exponent < 0 ? "-" : "+") + padded;
    }
    String plain = shortest.toPlainString();
    return sign + (plain.contains(".") ? plain : plain + ".0");
  }
}
