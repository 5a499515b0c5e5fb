package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;

/** What the study asks, and the words that its page uses. */
final class WordsSection {
  private final ResultsFolder folder;

  WordsSection(ResultsFolder folder) {
    this.folder = folder;
  }

  /** The page's first sentences. */
  String question() {
    return """
    A Transformer (SIZE, native context NATIVE tokens) is turned into hybrids: a few heads keep full attention, all others become linear
    attention (Gated DeltaNet), and a short training, the transferTOKENS, hands over what the Transformer knew. The study asks whether
    single heads chosen by a causal probe, one full head to seven linear ones (CAUSAL), recall as much from texts within and far beyond the native
    context as whole layers with twice as many full heads (LAYER). The [words](#words-used-here) are explained below.

    """
        .replace("SIZE", size())
        .replace("NATIVE", Lengths.format(folder.nativeLength()))
        .replace("TOKENS", tokens())
        .replace("CAUSAL", folder.causal())
        .replace("LAYER", folder.layer31());
  }

  /** "24.4M parameters, 192 attention heads", as far as the runs wrote it. */
  private String size() {
    return folder
        .facts(folder.roles().vanilla())
        .map(f ->
            Numbers.count(f.number("parameters"))
                + " parameters, "
                + Numbers.format("%.0f", f.number("heads"))
                + " attention heads")
        .orElse("the teacher");
  }

  private String tokens() {
    return folder
        .facts(folder.roles().causal())
        .map(f -> f.number("tokens"))
        .filter(Double::isFinite)
        .map(t -> " (" + Numbers.count(t) + " tokens)")
        .orElse("");
  }

  /** A glossary. */
  String words() {
    return """
    ## Words used here

    - **Haystack, needle, family.** A haystack is a text with facts hidden in it, the needles: a key with its value. The model reads the
      text and is asked for values. A family is one kind of such task ([all of them](#which-families-decide)); single-key families hide
      one needle, multi-key families many, of which one is asked for. Recall is the share of values answered exactly.
    - **Full, linear.** A full head attends to every token before it and keeps their keys and values, the KV cache, which grows with the text.
      A linear head keeps a state of fixed size. "KV cache" in the tables is the share of the Transformer's that a hybrid keeps. Query heads share
      keys and values in groups; one full head keeps its whole group, so the share is often above the share of full heads.
    - **Teacher.** The Transformer that the hybrids of a seed are made from.
    - **7:1, head-wise, layer-wise.** Seven linear heads to a full one. Head-wise: single heads anywhere, chosen by the probe, which measures what
      breaks when a head's output is replaced; at least one a layer. Layer-wise: all heads of a few
      layers, whole rows of the plan, evenly spaced.
    - **Native length.** The longest text that the Transformer was trained on: NATIVE. All beyond is extrapolation, or learnt in the transfer's last stage.
    - **NoPE, rotary, YaRN.** Rotary position embedding is the Transformer's; the hybrids' full heads have none (NoPE). YaRN stretches rotary to longer
      texts without training. Log length scale: the full heads' scores grow with the logarithm of the position.
    - **Seed.** One training of the Transformer, with all arms made from it. Arms of one seed share Transformer, batches and haystacks.
    - **Arm.** One model of the study, [each described below](#arms). γ, gate, fusion norm: the parts of a hybrid's layer that
      bring full and linear heads to one scale. Stage 1 aligns the new attention layers with the old ones, stage 2 distils the whole model, stage 3 trains on longer texts.

    """
        .replace("NATIVE", Lengths.format(folder.nativeLength()));
  }
}
