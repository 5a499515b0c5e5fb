package io.hydrahead.checkpoint;

import io.hydrahead.tensor.DType;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Element types of the safetensors format, with their width in bits. */
public enum ElementType {
  BOOL(8),
  F4(4),
  F6_E2M3(6),
  F6_E3M2(6),
  U8(8),
  I8(8),
  F8_E5M2(8),
  F8_E4M3(8),
  F8_E8M0(8),
  F8_E4M3FNUZ(8),
  F8_E5M2FNUZ(8),
  I16(16),
  U16(16),
  F16(16),
  BF16(16),
  I32(32),
  U32(32),
  F32(32),
  C64(64),
  F64(64),
  I64(64),
  U64(64);

  private static final Map<String, ElementType> BY_NAME =
      Stream.of(values()).collect(Collectors.toUnmodifiableMap(Enum::name, t -> t));

  private final int bits;

  ElementType(int bits) {
    this.bits = bits;
  }

  public int bits() {
    return bits;
  }

  /** The type of that name in a header. */
  public static Optional<ElementType> named(String name) {
    return Optional.ofNullable(BY_NAME.get(name));
  }

  /** The type of a tensor that this engine can compute with, if it can. */
  public Optional<DType> dtype() {
    return switch (this) {
      case F32 -> Optional.of(DType.F32);
      case BF16 -> Optional.of(DType.BF16);
      case F16 -> Optional.of(DType.F16);
      case F64 -> Optional.of(DType.F64);
      case I64 -> Optional.of(DType.I64);
      case I32 -> Optional.of(DType.I32);
      case U8 -> Optional.of(DType.U8);
      default -> Optional.empty();
    };
  }
}
