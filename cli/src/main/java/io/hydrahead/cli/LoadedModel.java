package io.hydrahead.cli;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import java.nio.file.Path;
import java.util.Locale;

/** A model with the operations it runs on; closing it frees both. */
record LoadedModel(HybridTransformer model, Ops ops) implements AutoCloseable {

  /** Loads {@code folder}, as stored unless {@code --dtype f32} asks for float32. */
  static LoadedModel open(Path folder, CommonOptions common) {
    boolean float32 = common.dtype() == CommonOptions.DataType.F32;
    return open(
        folder, common, float32 ? ModelFiles.LoadOptions.FLOAT32 : ModelFiles.LoadOptions.STORED);
  }

  static LoadedModel open(Path folder, CommonOptions common, ModelFiles.LoadOptions options) {
    Ops ops = ops(common);
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
    return OpsFactory.cpu(
        new OpsOptions(
            common.threads(),
            common.blas().name().toLowerCase(Locale.ROOT),
            common.deterministic()));
  }

  @Override
  public void close() {
    model.close();
    ops.close();
  }
}
