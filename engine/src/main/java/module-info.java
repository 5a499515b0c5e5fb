/**
 * The engine: checkpoints, models, probe, plan, transfer and evaluation, without terminal or
 * network.
 *
 * <p>The Vector API is optional: without {@code --add-modules jdk.incubator.vector} every kernel
 * runs as scalar Java, and one line in the log names the flag.
 */
module io.hydrahead.engine {
  requires static jdk.incubator.vector;
  requires jdk.jfr;
  requires transitive tools.jackson.databind;

  exports io.hydrahead.checkpoint;
  exports io.hydrahead.cuda;
  exports io.hydrahead.data;
  exports io.hydrahead.eval;
  exports io.hydrahead.json;
  exports io.hydrahead.model;
  exports io.hydrahead.ops;
  exports io.hydrahead.plan;
  exports io.hydrahead.probe;
  exports io.hydrahead.report;
  exports io.hydrahead.serve;
  exports io.hydrahead.study;
  exports io.hydrahead.study.eval;
  exports io.hydrahead.study.results;
  exports io.hydrahead.study.run;
  exports io.hydrahead.study.stats;
  exports io.hydrahead.tensor;
  exports io.hydrahead.tokenizer;
  exports io.hydrahead.tokenizer.template;
  exports io.hydrahead.train;
  exports io.hydrahead.transfer;
  // The contracts of single operations, for benchmarks and checks of one operation.
  exports io.hydrahead.ops.attention;
  exports io.hydrahead.ops.conv;
  exports io.hydrahead.ops.decay;
  exports io.hydrahead.ops.decode;
  exports io.hydrahead.ops.deltarule;
  exports io.hydrahead.ops.embedding;
  exports io.hydrahead.ops.fusion;
  exports io.hydrahead.ops.gemm;
  exports io.hydrahead.ops.loss;
  exports io.hydrahead.ops.norm;
  exports io.hydrahead.ops.optim;
  exports io.hydrahead.ops.rotary;
  exports io.hydrahead.ops.swiglu;
}
