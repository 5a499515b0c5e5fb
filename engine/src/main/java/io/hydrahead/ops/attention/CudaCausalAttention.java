package io.hydrahead.ops.attention;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/**
 * {@link CausalAttention} on a GPU, in float32 or bf16 (sums in float32; head dims that are
 * multiples of 16). Queries, outputs and gradients may be column slices too. The same bits in every
 * run on the same kind of device (gradients only if asked for); a row's bits may depend on how a
 * sequence is cut into pieces.
 */
public final class CudaCausalAttention implements CausalAttention, AutoCloseable {
  private final CudaDevice device;
  private final CudaAttentionForward forward;
  private final CudaAttentionDecode decode;
  private final CudaAttentionBackward backward;
  private final CudaPages paged;

  /**
   * @param scratch for what lives during one call
   * @param deterministic whether gradients must have the same bits in every run, too
   */
  public CudaCausalAttention(CudaDevice device, CudaScratch scratch, boolean deterministic) {
    this.device = device;
    CudaHeadLists lists = new CudaHeadLists();
    forward = new CudaAttentionForward(device, scratch, lists);
    decode = new CudaAttentionDecode(device, scratch, lists);
    backward = new CudaAttentionBackward(device, scratch, deterministic);
    paged = new CudaPages(device);
  }

  @Override
  public void forward(
      Shape s, int[] kvOf, int offset, Tensor q, Tensor k, Tensor v, Tensor o, Tensor lse) {
    CudaAttentionLayout.check(device, s, kvOf, offset, q, k, v, o, lse);
    if (s.batch() == 0 || s.queries() == 0 || s.heads() == 0) {
      return;
    }
    if (s.queries() <= CudaAttentionDecode.MOST_QUERIES && !s.windowed(offset)) {
      decode.run(s, kvOf, offset, null, (long) offset + s.queries(), q, k, v, o, lse);
    } else {
      forward.run(s, kvOf, offset, q, k, v, o, lse);
    }
  }

  @Override
  public void decode(Shape s, int[] kvOf, Tensor position, Tensor q, Tensor k, Tensor v, Tensor o) {
    CudaAttentionLayout.check(device, s, kvOf, 0, q, k, v, o, null);
    if (s.queries() > CudaAttentionDecode.MOST_QUERIES || !AttentionShape.isCache(k)) {
      throw new IllegalArgumentException(
          "at most %d new tokens against a cache, not %s with keys %s"
              .formatted(CudaAttentionDecode.MOST_QUERIES, s, k));
    }
    if (!s.window().equals(Window.ALL)) {
      throw new IllegalArgumentException(
          "decoding reads all that the cache holds, without a window");
    }
    if (position.dtype() != DType.I32 || position.memory() != device.memory()) {
      throw new IllegalArgumentException("the position is " + position + ", not I32 on " + device);
    }
    if (s.heads() > 0) {
      decode.run(s, kvOf, 0, position, k.dim(1), q, k, v, o, null);
    }
  }

  @Override
  public int mostGradientDims() {
    return CudaAttentionBackward.MOST_DIM;
  }

  @Override
  public void store(KvPages pages, Tensor places, Tensor k, Tensor v) {
    paged.store(pages, places, k, v);
  }

  /**
   * {@inheritDoc}
   *
   * <p>The pages are copied into one piece first: that reads and writes the past once more than
   * attention itself reads it, for every block of query rows.
   */
  @Override
  public void forwardPaged(Shape s, int[] kvOf, KvPages pages, int offset, Tensor q, Tensor o) {
    int keys = offset + s.queries();
    CudaAttentionLayout.checkPaged(device, s, kvOf, pages, keys, q, o);
    paged.gather(pages, keys);
    forward(s, kvOf, offset, q, paged.keys(), paged.values(), o, null);
  }

  @Override
  public void decodePaged(
      Shape s, int[] kvOf, KvPages pages, Tensor positions, Tensor q, Tensor o) {
    CudaAttentionLayout.checkPaged(device, s, kvOf, pages, 1, q, o);
    if (s.queries() != 1 || positions.dtype() != DType.I32 || positions.size() < s.batch()) {
      throw new IllegalArgumentException("one token a sequence at I32 positions, not " + positions);
    }
    if (s.batch() > 0 && s.heads() > 0) {
      decode.run(s, kvOf, pages, positions, q, o);
    }
  }

  @Override
  public void backward(
      Shape s,
      int[] kvOf,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor o,
      Tensor lse,
      Tensor dO,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    backward.run(s, kvOf, q, k, v, o, lse, dO, dq, dk, dv);
  }

  @Override
  public void close() {
    forward.close();
    decode.close();
    paged.close();
  }
}
