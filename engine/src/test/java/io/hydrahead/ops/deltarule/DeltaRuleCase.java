package io.hydrahead.ops.deltarule;

import io.hydrahead.checkpoint.SafetensorsFile;
import io.hydrahead.ops.Samples;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Inputs;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.util.List;
import java.util.Random;

/** Inputs and upstream gradients of one delta-rule problem. */
record DeltaRuleCase(Shape shape, Inputs in, Tensor state, Tensor dOut, Tensor dFinalState) {
  static final List<String> NAMES = List.of("q", "k", "v", "g", "beta", "state");

  /** Output, final state and the gradients of q, k, v, g, β and the initial state. */
  record Result(Tensor out, Tensor finalState, List<Tensor> gradients) {}

  /** Unit keys and queries, g uniform in [−decay, 0], β uniform in [0, betaMax]. */
  static DeltaRuleCase random(long seed, Shape s, double decay, double betaMax) {
    Random r = new Random(seed);
    long b = s.batch();
    long t = s.tokens();
    long h = s.heads();
    Inputs in =
        new Inputs(
            normalised(Samples.normal(r, b, t, h, s.keyDim()), s.keyDim()),
            normalised(Samples.normal(r, b, t, h, s.keyDim()), s.keyDim()),
            Samples.normal(r, b, t, h, s.valueDim()),
            Samples.filled(() -> -decay * r.nextDouble(), b, t, h),
            Samples.filled(() -> betaMax * r.nextDouble(), b, t, h));
    return new DeltaRuleCase(
        s,
        in,
        Samples.normal(r, b, h, s.keyDim(), s.valueDim()),
        Samples.normal(r, b, t, h, s.valueDim()),
        Samples.normal(r, b, h, s.keyDim(), s.valueDim()));
  }

  /** Every key nearly the first one, as in text that repeats a token. */
  DeltaRuleCase repeatingKeys() {
    Tensor k = in.k();
    int d = shape.keyDim();
    for (long i = d; i < k.size(); i++) {
      k.set(i, k.get(i % d) + 1e-3f * k.get(i));
    }
    normalised(k, d);
    return this;
  }

  /** The same with activations that exist in {@code type}. */
  DeltaRuleCase rounded(DType type) {
    Inputs activations =
        new Inputs(
            Samples.rounded(in.q(), type),
            Samples.rounded(in.k(), type),
            Samples.rounded(in.v(), type),
            in.g(),
            in.beta());
    return new DeltaRuleCase(shape, activations, state, Samples.rounded(dOut, type), dFinalState);
  }

  static DeltaRuleCase golden(SafetensorsFile file, String name) {
    Tensor k = file.get(name + ".k");
    Tensor v = file.get(name + ".v");
    Shape s = new Shape(k.size(0), k.size(1), k.size(2), k.size(3), v.size(3));
    Inputs in =
        new Inputs(file.get(name + ".q"), k, v, file.get(name + ".g"), file.get(name + ".beta"));
    return new DeltaRuleCase(
        s,
        in,
        file.get(name + ".state"),
        file.get(name + ".d_out"),
        file.get(name + ".d_final_state"));
  }

  private static Tensor normalised(Tensor x, int d) {
    for (long row = 0; row < x.size(); row += d) {
      double sum = 1e-12;
      for (long i = row; i < row + d; i++) {
        sum += x.get(i) * x.get(i);
      }
      for (long i = row; i < row + d; i++) {
        x.set(i, (float) (x.get(i) / Math.sqrt(sum)));
      }
    }
    return x;
  }

  List<Tensor> inputs() {
    return List.of(in.q(), in.k(), in.v(), in.g(), in.beta(), state);
  }

  Result run(GatedDeltaRule op) {
    Tensor out = Samples.unwritten(dOut.shape());
    Tensor finalState = Samples.copy(state);
    Tensor saved = Samples.unwritten(op.savedFloats(shape));
    op.forward(shape, in, 0, finalState, out, saved);
    Inputs d =
        new Inputs(
            Samples.unwritten(in.q().shape()),
            Samples.unwritten(in.k().shape()),
            Samples.unwritten(in.v().shape()),
            Samples.unwritten(in.g().shape()),
            Samples.unwritten(in.beta().shape()));
    Tensor dState = Samples.copy(dFinalState);
    op.backward(shape, in, saved, dOut, dState, d);
    return new Result(out, finalState, List.of(d.q(), d.k(), d.v(), d.g(), d.beta(), dState));
  }

  /** ⟨out, dOut⟩ + ⟨final state, dFinalState⟩, whose gradients {@link #run} gives. */
  double loss(GatedDeltaRule op) {
    Tensor out = Samples.unwritten(dOut.shape());
    Tensor s = Samples.copy(state);
    op.forward(shape, in, 0, s, out, null);
    return Samples.dot(out, dOut) + Samples.dot(s, dFinalState);
  }
}
