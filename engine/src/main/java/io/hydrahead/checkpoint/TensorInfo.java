package io.hydrahead.checkpoint;

import java.util.List;

/**
 * One entry of a safetensors header.
 *
 * @param shape lengths of the dimensions; empty for a scalar
 * @param begin first byte, relative to the end of the header
 * @param end byte after the last
 */
public record TensorInfo(String name, ElementType type, List<Long> shape, long begin, long end) {
  public TensorInfo {
    shape = List.copyOf(shape);
  }

  public long bytes() {
    return end - begin;
  }
}
