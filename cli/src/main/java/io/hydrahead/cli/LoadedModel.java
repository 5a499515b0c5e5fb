package io.hydrahead.cli;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;
import java.nio.file.Path;

/** A model with the operations it runs on; closing it frees both. */
record LoadedModel(HybridTransformer model, Ops ops) implements AutoCloseable {

  /** Loads {@code folder}, as stored unless {@code --dtype} names another type. */
  static LoadedModel open(Path folder, CommonOptions common) {
    return open(folder, common, options(common));
  }

  /** How {@code --dtype} wants matrices to lie in memory. */
  static ModelFiles.LoadOptions options(CommonOptions common) {
    return switch (common.dtype()) {
      case null -> ModelFiles.LoadOptions.STORED;
      case F32 -> ModelFiles.LoadOptions.FLOAT32;
      case BF16 -> ModelFiles.LoadOptions.BFLOAT16;
    };
  }

  /** Loads {@code folder}; a GPU computes in float32 where {@code options} do. */
  static LoadedModel open(Path folder, CommonOptions common, ModelFiles.LoadOptions options) {
    return open(folder, common, options, options.float32() ? DType.F32 : DType.BF16);
  }

  /** Like the others, with the type in which a GPU computes; the CPU does so in float32. */
  static LoadedModel open(
      Path folder, CommonOptions common, ModelFiles.LoadOptions options, DType activations) {
    Ops ops = ops(common, activations);
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

  /** The type that {@code --dtype} names; float32, which is exact, where it was not given. */
  static DType type(CommonOptions common) {
    return common.dtype() == CommonOptions.DataType.BF16 ? DType.BF16 : DType.F32;
  }

  static Ops ops(CommonOptions common, DType activations) {
    return common.device().ops(common, activations);
  }

  @Override
  public void close() {
    model.close();
    ops.close();
  }
}
