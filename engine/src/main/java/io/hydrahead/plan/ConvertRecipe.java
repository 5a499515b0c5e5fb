package io.hydrahead.plan;

import io.hydrahead.json.Fields;
import io.hydrahead.model.Style;
import io.hydrahead.model.Style.LengthScale;
import io.hydrahead.model.Style.LinearKind;
import java.nio.file.Path;

/**
 * A conversion's switches as a file: {@code {"style": {…}, "initialise": {…}}}. What the file does
 * not say is as in {@link Style#HYDRAHEAD} and {@link ConvertOptions#DEFAULT}.
 *
 * @param style how full and linear heads work
 * @param options how new parameters start
 */
public record ConvertRecipe(Style style, ConvertOptions options) {
  /** HydraHead, with Gated DeltaNet in the linear heads. */
  public static final ConvertRecipe DEFAULT =
      new ConvertRecipe(Style.HYDRAHEAD, ConvertOptions.DEFAULT);

  /** Reads and checks a recipe file. */
  public static ConvertRecipe read(Path file) {
    Fields f = Fields.read(file);
    ConvertRecipe r = read(f);
    f.end();
    return r;
  }

  /** Reads {@code style} and {@code initialise} of a larger recipe. */
  public static ConvertRecipe read(Fields f) {
    Fields style = f.objectOrEmpty("style");
    Fields initialise = f.objectOrEmpty("initialise");
    ConvertRecipe r = new ConvertRecipe(style(style), ConvertOptions.read(initialise));
    style.end();
    initialise.end();
    return r;
  }

  private static Style style(Fields f) {
    Style d = Style.HYDRAHEAD;
    Style style =
        new Style(
            f.flag("full_rotary", d.fullRotary()),
            f.flag("fusion_norm", d.fusionNorm()),
            f.flag("gamma", d.gamma()),
            f.flag("gate", d.gate()),
            f.flag("linear_rotary", d.linearRotary()),
            f.choice("length_scale", LengthScale.class, d.lengthScale()),
            f.number("log_scale_base", 1.001, 1e9, d.logScaleBase()),
            f.integer("conv_kernel", 0, 64, d.convKernel()),
            (float) f.number("beta_max", 1e-3, 2, d.betaMax()));
    LinearKind kind = f.choice("linear_kind", LinearKind.class, d.linearKind());
    if (kind == LinearKind.QWEN3_5) {
      throw f.error("linear_kind", "must be \"gated_delta\" or \"window\"");
    }
    int window = f.integer("window", 1, Style.MOST_WINDOW, Style.DEFAULT_WINDOW);
    int sinks = f.integer("sinks", 0, Style.MOST_WINDOW, Style.DEFAULT_SINKS);
    if (kind != LinearKind.WINDOW) {
      for (String name : new String[] {"window", "sinks"}) {
        if (f.has(name)) {
          throw f.error(
              name, "is for windowed heads; add \"linear_kind\": \"window\" or take it out");
        }
      }
      return style;
    }
    if (style.convKernel() > 0) {
      throw f.error("conv_kernel", "is for linear heads, windowed ones have none; take it out");
    }
    return style.withWindow(window, sinks);
  }
}
