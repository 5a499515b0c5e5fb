package io.hydrahead.cli;

import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code hydrahead doctor}: what of this machine the engine can use, and how to get the rest. */
@Command(
    name = "doctor",
    description = {
      "Report what of this machine can be used, and how to get the rest.",
      "JDK, vectors, native access, BLAS, GPU, memory; ends with 1 if something needed",
      "is missing."
    })
@Without({"--device", "--dtype", "--blas", "--deterministic", "--seed", "--force"})
final class DoctorCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Option(names = "--json", description = "Print JSON instead of text.")
  private boolean json;

  @Override
  public Integer call() {
    List<Diagnosis> all = Examination.all(common.threads());
    if (json) {
      printJson(all);
    } else {
      printText(all);
    }
    return all.stream().anyMatch(d -> d.status() == Diagnosis.Status.FAIL)
        ? ExitCode.CHECK_FAILED
        : ExitCode.OK;
  }

  private void printText(List<Diagnosis> all) {
    PrintWriter out = common.out();
    for (Diagnosis d : all) {
      out.printf("%-5s %-14s %s%n", d.status().word(), d.what(), d.found());
      if (!d.fix().isEmpty()) {
        out.printf("%20s fix: %s%n", "", d.fix());
      }
    }
    out.flush();
  }

  private void printJson(List<Diagnosis> all) {
    ObjectNode o = JsonReport.begin("doctor", common);
    ArrayNode lines = o.putArray("checks");
    for (Diagnosis d : all) {
      lines
          .addObject()
          .put("name", d.what())
          .put("status", d.status().word())
          .put("found", d.found())
          .put("fix", d.fix());
    }
    JsonReport.print(o, common.out());
  }
}
