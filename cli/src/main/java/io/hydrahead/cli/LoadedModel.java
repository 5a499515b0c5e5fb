package io.hydrahead.cli;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;
import java.nio.file.Path;

/** A model with the operations it runs on; closing it frees both. */
record LoadedModel(HybridTransformer model, Ops ops) implements AutoCloseable {

  /** Loads {@code folder}, as stored unless {@code --dtype f32} asks for float32. */
  static LoadedModel open(Path folder, CommonOptions common) {
    boolean float32 = common.dtype() == CommonOptions.DataType.F32;
    return open(
        folder, common, float32 ? ModelFiles.LoadOptions.FLOAT32 : ModelFiles.LoadOptions.STORED);
  }

  static LoadedModel open(Path folder, CommonOptions common, ModelFiles.LoadOptions options) {
    Ops ops = ops(common, options.float32() ? DType.F32 : DType.BF16);
    boolean ready = false;
    try {
      LoadedModel m = new LoadedModel(HybridTransformer.load(folder, ops, options), ops);
      ready = true;
      return m;
    } finally {
      if (!ready) {
        ops.close();
      }
    }
  }

  /** The operations that the common options ask for. */
  static Ops ops(CommonOptions common) {
    return ops(common, common.dtype() == CommonOptions.DataType.F32 ? DType.F32 : DType.BF16);
  }

  private static Ops ops(CommonOptions common, DType activations) {
    return common.device().ops(common, activations);
  }

  @Override
  public void close() {
    model.close();
    ops.close();
  }
}
