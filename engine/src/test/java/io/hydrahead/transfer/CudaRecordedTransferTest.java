package io.hydrahead.transfer;

import io.hydrahead.cuda.CudaTesting;
import io.hydrahead.ops.CudaOptions;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.tensor.DType;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;

/** The same where recorded work is a graph of a GPU: in float32 and in bf16, deterministic. */
@Tag("gpu")
class CudaRecordedTransferTest extends RecordedTransferTest {
  @Override
  List<Supplier<Ops>> backends() {
    return List.of(() -> open(DType.F32), () -> open(DType.BF16));
  }

  private static Ops open(DType type) {
    return OpsFactory.cuda(CudaTesting.openOrSkip(), new CudaOptions(0, type, true, 2));
  }
}
