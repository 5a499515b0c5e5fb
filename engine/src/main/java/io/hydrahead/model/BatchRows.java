package io.hydrahead.model;

import io.hydrahead.tensor.Tensor;

/**
 * The rows of one {@link BatchStep}: p of a piece, n that decode. Tensors are I32 in the
 * operations' memory.
 *
 * @param start position of the piece's first row
 * @param pieceSlot the piece's slot
 * @param pieceTable its block table, [1, most]
 * @param places where each row's keys and values go, [p + n]
 * @param positions of the rows that decode, [n]
 * @param slots of the rows that decode, [n]
 * @param tables block tables of the rows that decode, [n, most]
 * @param hostPositions {@code positions} as the host knows them
 * @param hostSlots likewise
 */
record BatchRows(
    int piece,
    int decodes,
    int start,
    int pieceSlot,
    Tensor pieceTable,
    Tensor places,
    Tensor positions,
    Tensor slots,
    Tensor tables,
    int[] hostPositions,
    int[] hostSlots) {
  int position(int i) {
    return hostPositions[i];
  }

  int slot(int i) {
    return hostSlots[i];
  }
}
