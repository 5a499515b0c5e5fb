package io.hydrahead.cli;

import io.hydrahead.ops.gemm.Gemm;
import io.hydrahead.ops.gemm.Gemms;
import io.hydrahead.tensor.ComputePool;
import java.util.ArrayList;
import java.util.List;

/** Which matrix-product backends work here, and which one would be taken. */
final class BlasExamination {
  private BlasExamination() {}

  static List<Diagnosis> all() {
    List<Diagnosis> out = new ArrayList<>();
    try (ComputePool pool = new ComputePool(1)) {
      Gemm chosen = Gemms.select("auto", pool);
      out.add(Diagnosis.ok("BLAS", chosen.name()));
    }
    return out;
  }
}
