package io.hydrahead.ops.loss;

import static io.hydrahead.cuda.CudaRows.aligned;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.CudaVariants;
import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/**
 * {@link TokenLoss} on a GPU, logits in float32 or bf16. A target beyond the vocabulary leaves its
 * row out.
 */
public final class CudaTokenLoss implements TokenLoss {
  private static final int BLOCK = 256; // of one row

  private record Sites(
      LaunchArguments crossEntropy, LaunchArguments distillation, LaunchArguments sum) {}

  private final CudaVariants<Sites> variants;
  private final CudaVariants<LaunchArguments> best;
  private final CudaVariants<LaunchArguments> likely;
  private final CudaScratch scratch;

  public CudaTokenLoss(CudaDevice device, CudaScratch scratch) {
    variants =
        new CudaVariants<>(
            device,
            CudaTokenLoss.class,
            "loss.cu",
            "WIDTH",
            m ->
                new Sites(
                    m.kernel("cross_entropy").arguments(),
                    m.kernel("distillation").arguments(),
                    m.kernel("loss_sum").arguments()));
    best =
        new CudaVariants<>(
            device,
            CudaTokenLoss.class,
            "best.cu",
            null,
            m -> m.kernel("best_of_rows").arguments().overlapInSteps());
    likely =
        new CudaVariants<>(
            device,
            CudaTokenLoss.class,
            "likely.cu",
            null,
            m -> m.kernel("likely_of_rows").arguments());
    this.scratch = scratch;
  }

  @Override
  public void likely(Tensor logits, Tensor temperatures, LikelyTokens out) {
    int v = logits.size(-1);
    TensorChecks.floats("temperatures", temperatures, logits.dim(0));
    TensorChecks.integers("counts", out.counts(), logits.dim(0));
    likely
        .get(0, logits.dtype(), false)
        .begin()
        .integer(v)
        .rows(logits, v)
        .pointer(temperatures)
        .pointer(out.counts())
        .pointer(out.stats())
        .pointer(out.ids())
        .pointer(out.values())
        .launch(logits.size(0), 1024, 0);
  }

  @Override
  public void best(Tensor logits, Tensor ids) {
    int v = logits.size(-1);
    TensorChecks.integers("ids", ids, logits.dim(0));
    best.get(0, logits.dtype(), false)
        .begin()
        .integer(v)
        .rows(logits, v)
        .pointer(ids)
        .launch(logits.size(0), 1024, 0);
  }

  private Sites sites(int v, Tensor logits, boolean aligned) {
    return variants.get(v, logits.dtype(), v % CudaRows.vector(logits.dtype()) == 0 && aligned);
  }

  private static void addUp(Sites sites, int n, long losses, Tensor sum) {
    sites.sum.begin().integer(n).address(losses).pointer(sum).launch(1, 1024, 0);
  }

  @Override
  public void crossEntropy(
      Tensor logits, Tensor targets, Tensor weights, Tensor gradScale, Tensor dLogits, Tensor sum) {
    int n = LossShape.check(logits, targets, weights, gradScale, dLogits, sum);
    int v = logits.size(-1);
    long losses = scratch.bytes(8L * n);
    Sites sites = sites(v, logits, aligned(logits, v) && aligned(dLogits, v));
    sites
        .crossEntropy
        .begin()
        .rows(logits, v)
        .pointer(targets)
        .pointer(weights)
        .pointerOrNull(dLogits == null ? null : gradScale)
        .rowsOrNull(dLogits, v)
        .address(losses)
        .launch(n, BLOCK, 0);
    addUp(sites, n, losses, sum);
  }

  @Override
  public void kl(
      Tensor teacher,
      Tensor student,
      Tensor weights,
      Tensor gradScale,
      Tensor dStudent,
      Tensor sum) {
    int n = LossShape.checkKl(teacher, student, weights, gradScale, dStudent, sum);
    long losses = scratch.bytes(8L * n);
    Sites sites =
        launch(teacher, student, null, weights, gradScale, null, dStudent, true, losses, 0);
    addUp(sites, n, losses, sum);
  }

  @Override
  public void distil(
      Tensor teacher,
      Tensor student,
      Tensor targets,
      Tensor weights,
      Tensor klScale,
      Tensor crossEntropyScale,
      Tensor dStudent,
      Tensor klSum,
      Tensor crossEntropySum) {
    int n = LossShape.checkKl(teacher, student, weights, klScale, dStudent, klSum);
    LossShape.check(student, targets, weights, crossEntropyScale, dStudent, crossEntropySum);
    long kl = scratch.bytes(16L * n);
    long crossEntropy = kl + 8L * n;
    Sites sites =
        launch(
            teacher,
            student,
            targets,
            weights,
            klScale,
            crossEntropyScale,
            dStudent,
            false,
            kl,
            crossEntropy);
    addUp(sites, n, kl, klSum);
    addUp(sites, n, crossEntropy, crossEntropySum);
  }

  private Sites launch(
      Tensor teacher,
      Tensor student,
      Tensor targets,
      Tensor weights,
      Tensor klScale,
      Tensor crossEntropyScale,
      Tensor dStudent,
      boolean add,
      long klLosses,
      long crossEntropyLosses) {
    int v = student.size(-1);
    boolean aligned = aligned(teacher, v) && aligned(student, v) && aligned(dStudent, v);
    Sites sites = sites(v, student, aligned);
    boolean gradient = dStudent != null;
    sites
        .distillation
        .begin()
        .rows(teacher, v)
        .rows(student, v)
        .pointerOrNull(targets)
        .pointer(weights)
        .pointerOrNull(gradient ? klScale : null)
        .pointerOrNull(gradient ? crossEntropyScale : null)
        .rowsOrNull(dStudent, v)
        .integer(add ? 1 : 0)
        .address(klLosses)
        .address(crossEntropyLosses)
        .launch(TensorChecks.rows(student), BLOCK, 0);
    return sites;
  }
}
