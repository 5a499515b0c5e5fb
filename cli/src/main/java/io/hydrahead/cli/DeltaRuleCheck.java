package io.hydrahead.cli;

import io.hydrahead.checkpoint.SafetensorsFile;
import io.hydrahead.model.GoldenCheck;
import io.hydrahead.model.GoldenCheck.Deviation;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;

/**
 * The gated delta rule against golden tensors {@code <case>.{q,k,v,g,beta,state}} → {@code
 * <case>.{out,final_state}} and {@code <case>.grad_*} for upstream {@code
 * <case>.{d_out,d_final_state}}; and the step form, token by token, against the same outputs.
 */
final class DeltaRuleCheck {
  private final GatedDeltaRule op;
  private final Ops ops;
  private final SafetensorsFile golden;
  private final List<Deviation> found = new ArrayList<>();

  DeltaRuleCheck(Ops ops, SafetensorsFile golden) {
    this.ops = ops;
    this.op = ops.deltaRule();
    this.golden = golden;
  }

  List<Deviation> run() {
    for (String name : new TreeSet<>(golden.tensors().keySet())) {
      if (name.endsWith(".beta")) {
        String prefix = name.substring(0, name.length() - "beta".length());
        try (Workspace memory = new Workspace(ops.memory())) {
          oneCase(prefix, memory);
        }
      }
    }
    if (found.isEmpty()) {
      throw new InputException(
          golden.path() + ": has no <case>.beta: this is no golden file of gated-delta");
    }
    return found;
  }

  private void oneCase(String c, Workspace memory) {
    GatedDeltaRule.Inputs in =
        new GatedDeltaRule.Inputs(
            activation(memory, c + "q"),
            activation(memory, c + "k"),
            activation(memory, c + "v"),
            copy(memory, c + "g"),
            copy(memory, c + "beta"));
    GatedDeltaRule.Shape s = shape(c, in);
    Tensor state = copy(memory, c + "state");
    Tensor out = memory.allocate(ops.activations(), in.v().shape());
    Tensor saved = memory.f32(op.savedFloats(s));
    op.forward(s, in, 0, state, out, saved);
    compare(c + "out", out);
    compare(c + "final_state", state);
    if (golden.has(c + "d_out")) {
      gradients(c, s, in, saved, memory);
    }
    steps(c, s, in, memory);
  }

  private void gradients(
      String c, GatedDeltaRule.Shape s, GatedDeltaRule.Inputs in, Tensor saved, Workspace memory) {
    Tensor dState = copy(memory, c + "d_final_state");
    GatedDeltaRule.Inputs grads =
        new GatedDeltaRule.Inputs(
            memory.allocate(ops.activations(), in.q().shape()),
            memory.allocate(ops.activations(), in.k().shape()),
            memory.allocate(ops.activations(), in.v().shape()),
            memory.f32(in.g().shape()),
            memory.f32(in.beta().shape()));
    op.backward(s, in, saved, activation(memory, c + "d_out"), dState, grads);
    compare(c + "grad_q", grads.q());
    compare(c + "grad_k", grads.k());
    compare(c + "grad_v", grads.v());
    compare(c + "grad_g", grads.g());
    compare(c + "grad_beta", grads.beta());
    compare(c + "grad_state", dState);
  }

  /** Decoding: one sequence at a time, since a step takes one token of every sequence. */
  private void steps(String c, GatedDeltaRule.Shape s, GatedDeltaRule.Inputs in, Workspace memory) {
    GatedDeltaRule.Shape one = new GatedDeltaRule.Shape(1, 1, s.heads(), s.keyDim(), s.valueDim());
    Tensor state = copy(memory, c + "state");
    Tensor out = memory.allocate(ops.activations(), in.v().shape());
    for (int b = 0; b < s.batch(); b++) {
      for (int t = 0; t < s.tokens(); t++) {
        long row = (long) b * s.tokens() + t;
        op.step(
            one,
            new GatedDeltaRule.Inputs(
                token(in.q(), row),
                token(in.k(), row),
                token(in.v(), row),
                token(in.g(), row),
                token(in.beta(), row)),
            state.rows(b, 1),
            token(out, row));
      }
    }
    found.add(new Deviation(c + "out (step)", GoldenCheck.relativeL2(out, golden.get(c + "out"))));
  }

  /** Row {@code row} of [B, T, …] as [1, 1, …]. */
  private static Tensor token(Tensor t, long row) {
    long[] flat = Arrays.copyOfRange(t.shape(), 1, t.rank());
    flat[0] = t.dim(0) * t.dim(1);
    long[] one = t.shape();
    one[0] = 1;
    one[1] = 1;
    return t.view(flat).rows(row, 1).view(one);
  }

  private GatedDeltaRule.Shape shape(String c, GatedDeltaRule.Inputs in) {
    long[] q = in.q().shape();
    long[] v = in.v().shape();
    if (q.length != 4 || v.length != 4) {
      throw new InputException(
          golden.path()
              + ": "
              + c
              + "q and "
              + c
              + "v must have shape [B, T, H, D], not "
              + in.q()
              + " and "
              + in.v());
    }
    long[] scalars = {q[0], q[1], q[2]};
    require(c + "k", in.k(), q);
    require(c + "v", in.v(), q[0], q[1], q[2], v[3]);
    require(c + "g", in.g(), scalars);
    require(c + "beta", in.beta(), scalars);
    require(c + "state", get(c + "state"), q[0], q[2], q[3], v[3]);
    return new GatedDeltaRule.Shape((int) q[0], (int) q[1], (int) q[2], (int) q[3], (int) v[3]);
  }

  private void require(String name, Tensor t, long... shape) {
    if (!Arrays.equals(t.shape(), shape)) {
      throw new InputException(
          golden.path() + ": " + name + " is " + t + ", expected shape " + Arrays.toString(shape));
    }
  }

  private void compare(String name, Tensor got) {
    if (golden.has(name)) {
      found.add(new Deviation(name, GoldenCheck.relativeL2(got, golden.get(name))));
    }
  }

  private Tensor get(String name) {
    Tensor t = golden.get(name);
    if (t.dtype() != DType.F32) {
      throw new InputException(golden.path() + ": " + name + " is " + t.dtype() + ", expected F32");
    }
    return t;
  }

  private Tensor copy(Workspace memory, String name) {
    return copy(memory, name, DType.F32);
  }

  private Tensor activation(Workspace memory, String name) {
    return copy(memory, name, ops.activations());
  }

  private Tensor copy(Workspace memory, String name, DType type) {
    Tensor t = get(name);
    Tensor c = memory.allocate(type, t.shape());
    c.copyFrom(t);
    return c;
  }
}
