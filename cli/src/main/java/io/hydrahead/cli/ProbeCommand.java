package io.hydrahead.cli;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.data.TaskStyle;
import io.hydrahead.data.TextCodec;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.plan.Conversion;
import io.hydrahead.plan.HeadScores;
import io.hydrahead.probe.CounterfactualPair;
import io.hydrahead.probe.HeadProbe;
import io.hydrahead.probe.PairSource;
import io.hydrahead.probe.ProbeOptions;
import io.hydrahead.probe.ProbeResult;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tokenizer.Tokenizer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ObjectNode;

/** {@code hydrahead probe}: which heads are retrieval-critical. */
@Command(
    name = "probe",
    description = {
      "Find the retrieval-critical heads by causal intervention.",
      "Swaps needles' values and patches head outputs; writes the scores to heads.json."
    })
final class ProbeCommand implements Callable<Integer> {
  private static final int SHOWN = 10;

  @Mixin private CommonOptions common;

  @Parameters(paramLabel = "CHECKPOINT", description = "The teacher's folder.")
  private Path folder;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      defaultValue = "heads.json",
      description = "Where to write the scores (default: ${DEFAULT-VALUE}).")
  private Path output;

  @Option(
      names = "--length",
      paramLabel = "N",
      description = "Tokens of a prompt; default: what the model was trained for, at most 4K.")
  private TokenCount length;

  @Option(
      names = "--pairs",
      paramLabel = "N",
      defaultValue = "8",
      description = "Pairs of each of the five sub-probes (default: ${DEFAULT-VALUE}).")
  private int pairs;

  @Option(
      names = "--style",
      paramLabel = "STYLE",
      defaultValue = "RULER",
      description = "Wording of the prompts: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private TaskStyle style;

  @Option(
      names = "--threshold",
      paramLabel = "X",
      defaultValue = "0.01",
      description = "Least |IE| that counts as an effect (default: ${DEFAULT-VALUE}).")
  private double threshold;

  @Option(
      names = "--min-gap",
      paramLabel = "X",
      defaultValue = "1",
      description = "Least margin m(x) − m(x') of a pair that is used (default: ${DEFAULT-VALUE}).")
  private double minimumGap;

  @Option(
      names = "--sender-pairs",
      paramLabel = "N",
      defaultValue = "1",
      description = {
        "Pairs a sub-probe for sender effects, by far the longest part: every head of every layer is"
            + " patched anew. 0 leaves it out, and with it heads that only pass on what others retrieve"
            + " (default: ${DEFAULT-VALUE})."
      })
  private int senderPairs;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      defaultValue = "2",
      description = "Most rounds of path patching (default: ${DEFAULT-VALUE}).")
  private int rounds;

  @Option(
      names = "--general",
      negatable = true,
      defaultValue = "true",
      fallbackValue = "true",
      description = "Probe general ability too (default), or not.")
  private boolean general;

  @Option(
      names = "--text",
      paramLabel = "FILE",
      description = "Plain text for the general-ability probe; default: generated.")
  private Path text;

  @Option(names = "--json", description = "Print the summary as JSON.")
  private boolean json;

  @Override
  public Integer call() {
    Outputs.requireFree(common, output, "-o", folder, text);
    Sources.requireAtLeast("--pairs", pairs, 1);
    Sources.requireAtLeast("--sender-pairs", senderPairs, 0);
    Sources.requireAtLeast("--rounds", rounds, 1);
    if (threshold < 0) {
      throw new InputException("--threshold must be at least 0, not " + threshold);
    }
    Conversion.refuseQwen35(folder);
    ModelConfig config = Sources.config(folder);
    int tokens =
        (int)
            (length == null
                ? Math.min(4096, config.maxPositionEmbeddings())
                : Math.min(length.tokens(), Integer.MAX_VALUE / 2));
    if (tokens > config.maxPositionEmbeddings()) {
      common.notice(
          "hydrahead: --length "
              + tokens
              + " is beyond the "
              + config.maxPositionEmbeddings()
              + " tokens that the model was trained for: there heads that retrieve may seem not to; take that or less");
    }
    TextCodec codec = Texts.codec(Tokenizer.load(folder));
    List<int[]> plain =
        general
            ? Texts.rows(codec, text, Math.clamp(tokens, 16, 512), 4, common.seed())
            : List.of();
    ProbeOptions options = new ProbeOptions(threshold, minimumGap, senderPairs, rounds, general);
    ProbeResult result;
    try (LoadedModel loaded =
        LoadedModel.open(folder, common, LoadedModel.options(common), LoadedModel.type(common))) {
      SessionMemory.require(loaded.model(), tokens, "--length");
      Map<String, List<CounterfactualPair>> made =
          new PairSource(codec, style, tokens, pairs, common.seed()).make();
      result = new HeadProbe(loaded.model(), options, common.progress()).run(made, plain);
    }
    HeadScores scores = result.toHeadScores(details(tokens));
    AtomicFile.write(output, scores.toText());
    if (json) {
      printJson(result, tokens);
    } else {
      printText(result);
    }
    return ExitCode.OK;
  }

  private Map<String, Object> details(int tokens) {
    Map<String, Object> d = new LinkedHashMap<>();
    d.put("checkpoint", folder.toString());
    d.put("commit", BuildInfo.commit());
    d.put("command", common.commandLine());
    d.put("seed", common.seed());
    d.put("length", tokens);
    d.put("pairs", pairs);
    d.put("style", style.name().toLowerCase(Locale.ROOT));
    d.put("threshold", threshold);
    return d;
  }

  private void printText(ProbeResult r) {
    PrintWriter out = common.out();
    Table sub = new Table("sub-probe", "pairs", "answered", "used", "mean gap");
    for (ProbeResult.SubProbe s : r.subProbes()) {
      sub.row(
          s.name(),
          s.pairs(),
          s.correct(),
          s.used(),
          String.format(Locale.ROOT, "%.2f", s.meanGap()));
    }
    sub.print(out);
    out.println();
    Table heads = new Table("layer.head", "score", "receiver", "sender", "κ", "attention");
    for (int[] c : best(r.score())) {
      heads.row(
          c[0] + "." + c[1],
          number(r.score(), c),
          number(r.receiver(), c),
          number(r.sender(), c),
          number(r.kappa(), c),
          number(r.attentionScore(), c));
    }
    heads.print(out);
    out.println();
    out.printf(
        Locale.ROOT,
        "%d of %d heads have an effect of %s or more; two halves of the pairs: Spearman %.2f, top eighth"
            + " %s the same%n",
        critical(r),
        r.score().length * r.score()[0].length,
        threshold,
        r.splitHalf(),
        Table.percent(r.splitHalfOverlap()));
    out.println("written: " + output);
    out.flush();
  }

  private static List<int[]> best(double[][] score) {
    List<int[]> cells = new ArrayList<>();
    for (int l = 0; l < score.length; l++) {
      for (int h = 0; h < score[l].length; h++) {
        cells.add(new int[] {l, h});
      }
    }
    cells.sort(Comparator.comparingDouble((int[] c) -> -score[c[0]][c[1]]));
    return cells.subList(0, Math.min(SHOWN, cells.size()));
  }

  private static String number(double[][] m, int[] cell) {
    return String.format(Locale.ROOT, "%.3f", m[cell[0]][cell[1]]);
  }

  private static int critical(ProbeResult r) {
    int n = 0;
    for (double[] row : r.kappa()) {
      for (double k : row) {
        n += k > 0 ? 1 : 0;
      }
    }
    return n;
  }

  private void printJson(ProbeResult r, int tokens) {
    ObjectNode o = JsonReport.begin("probe", common);
    o.put("checkpoint", folder.toString());
    o.put("output", output.toString());
    o.put("length", tokens);
    o.put("critical_heads", critical(r));
    o.put("split_half_top_overlap", r.splitHalfOverlap());
    o.set("sub_probes", io.hydrahead.json.Json.of(r.subProbes()));
    JsonReport.print(o, common.out());
  }
}
