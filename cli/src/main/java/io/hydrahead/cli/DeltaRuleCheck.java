package io.hydrahead.cli;

import io.hydrahead.checkpoint.SafetensorsFile;
import io.hydrahead.model.GoldenCheck;
import io.hydrahead.model.GoldenCheck.Deviation;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
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
  private final DType inputs;
  private final List<Deviation> found = new ArrayList<>();

  /**
   * @param inputs what q, k, v and the upstream gradient are rounded to
   */
  private DeltaRuleCheck(Ops ops, SafetensorsFile golden, DType inputs) {
    this.ops = ops;
    this.op = ops.deltaRule();
    this.golden = golden;
    this.inputs = inputs;
  }

  /**
   * What {@code ops} makes of the golden inputs. Where it rounds them, each deviation comes with
   * the one that the plain recurrence has on rounded inputs: at T = 1 the gradient of g is a small
   * difference of large numbers, and no kernel that is given rounded ones can meet it.
   */
  static List<Deviation> run(Ops ops, SafetensorsFile golden) {
    List<Deviation> found = new DeltaRuleCheck(ops, golden, ops.activations()).run();
    if (ops.activations() == DType.F32) {
      return found;
    }
    try (Ops exact = OpsFactory.reference(1)) {
      List<Deviation> rounding = new DeltaRuleCheck(exact, golden, ops.activations()).run();
      List<Deviation> both = new ArrayList<>();
      for (int i = 0; i < found.size(); i++) {
        Deviation d = found.get(i);
        both.add(new Deviation(d.tensor(), d.relativeL2(), rounding.get(i).relativeL2()));
      }
      return both;
    }
  }

  private List<Deviation> run() {
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
    Tensor t = copy(memory, name, inputs);
    return t.dtype() == ops.activations() ? t : copy(memory, t, ops.activations());
  }

  private Tensor copy(Workspace memory, String name, DType type) {
    return copy(memory, get(name), type);
  }

  private static Tensor copy(Workspace memory, Tensor t, DType type) {
    Tensor c = memory.allocate(type, t.shape());
    c.copyFrom(t);
    return c;
  }
}
