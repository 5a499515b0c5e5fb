package io.hydrahead.transfer;

import io.hydrahead.cuda.CudaTesting;
import io.hydrahead.ops.CudaOptions;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.tensor.DType;
import io.hydrahead.train.Stage;
import org.junit.jupiter.api.Tag;

/** The same where recorded work is a graph of a GPU: in float32 and in bf16, deterministic. */
@Tag("gpu")
class CudaRecordedTransferTest extends RecordedTransferTest {
  @Override
  void replayedStepsGiveTheSameBits(String name, Stage.Objective objective, boolean recompute) {
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      CudaOptions options = new CudaOptions(0, type, true, 2);
      try (Ops ops = OpsFactory.cuda(CudaTesting.openOrSkip(), options)) {
        compare(ops, objective, recompute);
      }
    }
  }
}
