package io.hydrahead.model;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Function;

/**
 * Compares a model with a golden file, tensor by tensor, by relative L2: ‖got − want‖ / ‖want‖.
 *
 * <p>Understood: {@code input_ids} [B,T], {@code logits} [B,T,V], {@code hidden_states.i}, {@code
 * loss}, {@code grad.<parameter>}, {@code decode_logits} [B,n,V] (the last n positions, decoded one
 * by one); or {@code <prompt>.input_ids} [1,T] with {@code <prompt>.logits} [T,V].
 */
public final class GoldenCheck {
  /**
   * One compared tensor; NaN anywhere makes {@code relativeL2} NaN, which no tolerance admits.
   *
   * @param rounding what rounding the inputs or parameters to the element type makes of it,
   *     everything else being exact; 0 where it is not known
   */
  public record Deviation(String tensor, double relativeL2, double rounding) {
    public Deviation(String tensor, double relativeL2) {
      this(tensor, relativeL2, 0);
    }

    public boolean within(double tolerance) {
      return relativeL2 <= tolerance;
    }
  }

  private static final int DRAWS = 8;

  private final HybridTransformer model;
  private final Set<String> names;
  private final Function<String, Tensor> golden;
  private final List<Deviation> found = new ArrayList<>();

  private GoldenCheck(HybridTransformer model, Set<String> names, Function<String, Tensor> golden) {
    this.model = model;
    this.names = names;
    this.golden = golden;
  }

  /**
   * @param names of the golden file's tensors, {@code golden} gives them
   * @throws InputException if the file has nothing to compare or its shapes are not the model's
   */
  public static List<Deviation> run(
      HybridTransformer model, Set<String> names, Function<String, Tensor> golden) {
    GoldenCheck check = new GoldenCheck(model, names, golden);
    if (names.contains("input_ids")) {
      check.whole();
    }
    for (String name : names.stream().sorted().toList()) {
      if (name.endsWith(".input_ids")) {
        check.prompt(name.substring(0, name.length() - ".input_ids".length()));
      }
    }
    if (check.found.isEmpty()) {
      throw new InputException(
          "the golden file has no input_ids: nothing to run the model on (for operation goldens"
              + " use --op)");
    }
    return check.found;
  }

  /**
   * {@link #run} with each deviation beside what rounding the parameters of {@code exact} to {@code
   * type} here makes: how much of it the numbers themselves bring about, and not the operations. A
   * model of random weights can multiply a rounding a hundredfold.
   *
   * <p>Of a gradient, one rounding tells too little: where a head's output nearly cancels, the norm
   * behind it divides by almost nothing, and a single token can move the gradients of everything
   * before it by their own size with one choice of neighbours and not with another. They are drawn
   * {@value #DRAWS} times, each parameter one of its two neighbours, as often as it is near; half
   * of the largest deviation counts if that is more, since a drawn neighbour lies up to twice as
   * far as the nearest.
   *
   * @param exact the same checkpoint in float32 on the CPU; its parameters are changed
   */
  public static List<Deviation> beside(
      List<Deviation> found,
      HybridTransformer exact,
      DType type,
      Set<String> names,
      Function<String, Tensor> golden,
      Progress progress) {
    Set<String> gradients = new HashSet<>(names);
    gradients.removeIf(n -> !n.startsWith("grad."));
    int draws = gradients.isEmpty() || !names.contains("input_ids") ? 0 : DRAWS;
    Map<String, float[]> originals = draws > 0 ? originals(exact) : Map.of();
    Map<String, Double> rounding = new HashMap<>();
    progress.begin("rounded parameters", 1L + draws, "passes");
    try {
      round(exact, originals, (name, value) -> type.widen(type.narrow(value)));
      run(exact, names, golden).forEach(d -> rounding.put(d.tensor(), d.relativeL2()));
      progress.advance(1, "");
      gradients.add("input_ids");
      for (int i = 1; i <= draws; i++) {
        progress.throwIfCancelled();
        drawNeighbours(exact, originals, type, i);
        run(exact, gradients, golden)
            .forEach(d -> rounding.merge(d.tensor(), d.relativeL2() / 2, Math::max));
        progress.advance(1L + i, "");
      }
    } finally {
      progress.end();
    }
    return found.stream()
        .map(d -> new Deviation(d.tensor(), d.relativeL2(), rounding.get(d.tensor())))
        .toList();
  }

  /** All parameters, to draw their neighbours from again and again. */
  static Map<String, float[]> originals(HybridTransformer model) {
    Map<String, float[]> all = new HashMap<>();
    for (String name : model.parameters().names()) {
      all.put(name, model.parameters().get(name).toFloats());
    }
    return all;
  }

  /**
   * Replaces every parameter by one of the two neighbours that its original has in {@code type}.
   */
  static void drawNeighbours(
      HybridTransformer model, Map<String, float[]> originals, DType type, int seed) {
    Map<String, SplittableRandom> random = new HashMap<>();
    round(
        model,
        originals,
        (name, value) -> {
          short bits = type.narrow(value);
          float near = type.widen(bits);
          // Bit patterns of one sign are ordered by size.
          float far = type.widen((short) (Math.abs(near) < Math.abs(value) ? bits + 1 : bits - 1));
          double share = near == value ? 0 : (value - near) / (double) (far - near);
          SplittableRandom r =
              random.computeIfAbsent(name, n -> new SplittableRandom(31L * n.hashCode() + seed));
          return r.nextDouble() < share ? far : near;
        });
  }

  private interface Rounding {
    float of(String name, float value);
  }

  /** Rounds the originals, or the parameters as they are where there is no original. */
  private static void round(
      HybridTransformer model, Map<String, float[]> originals, Rounding rounding) {
    for (String name : model.parameters().names()) {
      Tensor p = model.parameters().get(name);
      float[] original = originals.get(name);
      for (long i = 0; i < p.size(); i++) {
        p.set(i, rounding.of(name, original == null ? p.get(i) : original[(int) i]));
      }
    }
  }

  /** ‖got − want‖ / ‖want‖ in float64; the plain norm of {@code got} where {@code want} is zero. */
  public static double relativeL2(Tensor got, Tensor want) {
    if (got.size() != want.size()) {
      throw new InputException("got " + got + ", the golden tensor is " + want);
    }
    Tensor ours = got.onHost();
    Tensor theirs = want.onHost();
    double difference = 0;
    double norm = 0;
    for (long i = 0; i < theirs.size(); i++) {
      double w = theirs.get(i);
      double e = ours.get(i) - w;
      difference += e * e;
      norm += w * w;
    }
    return norm == 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
  }

  private void compare(String name, Tensor got) {
    if (names.contains(name)) {
      Tensor want = golden.apply(name);
      if (got.size() != want.size()) {
        throw new InputException(
            "tensor "
                + name
                + ": this model gives "
                + got
                + ", the golden file has "
                + want
                + "; it was made with another model");
      }
      found.add(new Deviation(name, relativeL2(got, want)));
    }
  }

  private void whole() {
    Tensor input = golden.apply("input_ids");
    if (input.rank() != 2) {
      throw new InputException("input_ids must have shape [B, T], not " + input);
    }
    int batch = input.size(0);
    int tokens = input.size(1);
    int[] ids = ids(input);
    boolean gradients = names.stream().anyMatch(n -> n.startsWith("grad."));
    try (TrainingPass pass = new TrainingPass(model, batch, tokens, gradients);
        ParameterStore grads = gradients ? model.parameters().zerosLike() : new ParameterStore()) {
      pass.forward(ids);
      for (int l = 0; l < model.config().layers(); l++) {
        compare("hidden_states." + l, pass.layerInput(l));
      }
      compare("hidden_states." + model.config().layers(), pass.finalHidden());
      if (names.contains("logits")) {
        compare("logits", allLogits(pass));
      }
      if (gradients || names.contains("loss")) {
        loss(pass, ids, gradients ? grads : null);
      }
    }
    if (names.contains("decode_logits")) {
      decode(ids, batch, tokens);
    }
  }

  private Tensor allLogits(TrainingPass pass) {
    int vocabulary = model.config().vocabSize();
    float[] all = new float[pass.batch() * pass.tokens() * vocabulary];
    pass.logits((from, logits) ->
        System.arraycopy(
            logits.toFloats(), 0, all, from * vocabulary, Math.toIntExact(logits.size())));
    return Tensor.of(all, all.length);
  }

  private void loss(TrainingPass pass, int[] ids, ParameterStore grads) {
    int tokens = pass.tokens();
    int[] targets = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      targets[i] = i % tokens == tokens - 1 ? -1 : ids[i + 1];
    }
    float[] weights = new float[ids.length];
    Arrays.fill(weights, 1f);
    int count = pass.batch() * (tokens - 1);
    double sum = pass.nextTokenLoss(targets, weights, 1f / count, grads);
    compare("loss", Tensor.of(new float[] {(float) (sum / count)}, 1));
    if (grads != null) {
      pass.backward(grads);
      CheckpointLayout.of(model.config(), model.plan(), model.style())
          .tensors(grads, true)
          .forEach((name, gradient) -> compare("grad." + name, gradient));
    }
  }

  private void decode(int[] ids, int batch, int tokens) {
    int vocabulary = model.config().vocabSize();
    int steps = golden.apply("decode_logits").size(1);
    float[] all = new float[batch * steps * vocabulary];
    try (Session session = model.newSession(tokens)) {
      for (int b = 0; b < batch; b++) {
        session.reset();
        session.prefill(Arrays.copyOfRange(ids, b * tokens, (b + 1) * tokens - steps));
        for (int s = 0; s < steps; s++) {
          Tensor logits = session.decode(ids[(b + 1) * tokens - steps + s]);
          System.arraycopy(logits.toFloats(), 0, all, (b * steps + s) * vocabulary, vocabulary);
        }
      }
    }
    compare("decode_logits", Tensor.of(all, all.length));
  }

  private void prompt(String prefix) {
    int[] ids = ids(golden.apply(prefix + ".input_ids"));
    try (TrainingPass pass = new TrainingPass(model, 1, ids.length, false)) {
      pass.forward(ids);
      compare(prefix + ".logits", allLogits(pass));
    }
  }

  private static int[] ids(Tensor t) {
    int[] ids = new int[Math.toIntExact(t.size())];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = Math.toIntExact(t.getLong(i));
    }
    return ids;
  }
}
