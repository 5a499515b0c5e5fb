package io.hydrahead.tensor;

/** Element types that a {@link Tensor} can hold, all little-endian. */
public enum DType {
  F32(4),
  BF16(2),
  F16(2),
  F64(8),
  I64(8),
  I32(4),
  U8(1);

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes an element. */
  public int bytes() {
    return bytes;
  }

  /** Widens the 16-bit pattern {@code bits} of this type to a float; only for BF16 and F16. */
  public float widen(short bits) {
    return switch (this) {
      case BF16 -> Float.intBitsToFloat(bits << 16);
      case F16 -> Float.float16ToFloat(bits);
      default -> throw new IllegalStateException(this + " is not a 16-bit float");
    };
  }

  /** Rounds {@code value} to nearest even in this 16-bit type; only for BF16 and F16. */
  public short narrow(float value) {
    return switch (this) {
      case BF16 -> toBf16(value);
      case F16 -> Float.floatToFloat16(value);
      default -> throw new IllegalStateException(this + " is not a 16-bit float");
    };
  }

  /** In arithmetic of integers without branches, which loops over it are compiled well for. */
  private static short toBf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    int rounded = bits + 0x7FFF + ((bits >>> 16) & 1);
    boolean nan = (bits & 0x7FFF_FFFF) > 0x7F80_0000;
    return (short) ((nan ? bits | 0x40_0000 : rounded) >>> 16);
  }
}
