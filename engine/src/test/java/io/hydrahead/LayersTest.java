package io.hydrahead;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import com.tngtech.archunit.library.GeneralCodingRules;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The house rules: who may know whom, and that the engine stays quiet. */
class LayersTest {
  private static final JavaClasses ENGINE =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages("io.hydrahead");

  /** What each package may use besides itself, the JDK and libraries. */
  private static final Map<String, List<String>> MAY_USE =
      Map.ofEntries(
          Map.entry("tensor", List.of()),
          Map.entry("json", List.of("tensor")),
          Map.entry("cuda", List.of("tensor")),
          Map.entry("checkpoint", List.of("tensor", "json")),
          Map.entry("tokenizer", List.of("tensor", "json", "checkpoint")),
          Map.entry("ops", List.of("tensor", "cuda")),
          Map.entry("model", List.of("tensor", "json", "checkpoint", "ops")),
          Map.entry("serve", List.of("tensor", "checkpoint", "ops", "model")),
          Map.entry("data", List.of("tensor", "json", "checkpoint", "tokenizer")),
          Map.entry("report", List.of("tensor", "json")),
          Map.entry("plan", List.of("tensor", "json", "checkpoint", "ops", "model", "report")),
          Map.entry(
              "train",
              List.of("tensor", "json", "checkpoint", "tokenizer", "ops", "model", "data")),
          Map.entry(
              "eval", List.of("tensor", "json", "checkpoint", "tokenizer", "ops", "model", "data")),
          Map.entry(
              "probe",
              List.of(
                  "tensor",
                  "json",
                  "checkpoint",
                  "tokenizer",
                  "ops",
                  "model",
                  "data",
                  "eval",
                  "plan",
                  "report")),
          Map.entry(
              "transfer",
              List.of(
                  "tensor",
                  "json",
                  "checkpoint",
                  "tokenizer",
                  "ops",
                  "model",
                  "data",
                  "eval",
                  "train",
                  "plan")),
          Map.entry(
              "study",
              List.of(
                  "tensor",
                  "json",
                  "checkpoint",
                  "tokenizer",
                  "ops",
                  "model",
                  "data",
                  "report",
                  "eval",
                  "probe",
                  "plan",
                  "train",
                  "transfer")));

  @Test
  void everyPackageIsKnown() {
    List<String> unknown =
        ENGINE.stream()
            .map(LayersTest::room)
            .distinct()
            .filter(r -> !MAY_USE.containsKey(r))
            .toList();
    assertThat(unknown).as("packages missing from MAY_USE").isEmpty();
  }

  @Test
  void dependenciesPointOneWay() {
    MAY_USE.forEach((room, allowed) -> {
      String[] forbidden =
          MAY_USE.keySet().stream()
              .filter(other -> !other.equals(room) && !allowed.contains(other))
              .map(other -> "io.hydrahead." + other + "..")
              .toArray(String[]::new);
      ArchRule rule =
          noClasses()
              .that()
              .resideInAPackage("io.hydrahead." + room + "..")
              .should()
              .dependOnClassesThat()
              .resideInAnyPackage(forbidden)
              .allowEmptyShould(true);
      rule.check(ENGINE);
    });
  }

  @Test
  void packagesHaveNoCycles() {
    slices().matching("io.hydrahead.(*)..").should().beFreeOfCycles().check(ENGINE);
  }

  @Test
  void referenceCallsNoSiblingBackend() {
    classes().that().haveSimpleNameStartingWith("Reference").should(callNoBackend()).check(ENGINE);
  }

  @Test
  void engineNeitherPrintsNorExits() {
    GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS.check(ENGINE);
    noClasses().should().callMethod(System.class, "exit", int.class).check(ENGINE);
    noClasses().should().callMethod(Runtime.class, "exit", int.class).check(ENGINE);
    noClasses().should().callMethod(Runtime.class, "halt", int.class).check(ENGINE);
    noClasses().should().callMethod(Throwable.class, "printStackTrace").check(ENGINE);
  }

  @Test
  void engineKnowsNoTerminalAndNoHttp() {
    noClasses()
        .should()
        .dependOnClassesThat(
            resideInAnyPackage(
                    "picocli..",
                    "org.jline..",
                    "java.net.http..",
                    "com.sun.net.httpserver..",
                    "io.helidon..",
                    "java.awt..",
                    "javax.swing..")
                .or(describe("java.io.Console", c -> c.getName().equals("java.io.Console"))))
        .check(ENGINE);
  }

  private static ArchCondition<JavaClass> callNoBackend() {
    return new ArchCondition<>("call no Cpu or Cuda backend") {
      @Override
      public void check(JavaClass reference, ConditionEvents events) {
        reference.getDirectDependenciesFromSelf().stream()
            .filter(d -> d.getTargetClass().getPackageName().startsWith("io.hydrahead.ops"))
            .filter(d -> d.getTargetClass().getSimpleName().matches("(Cpu|Cuda)[A-Z].*"))
            .forEach(d -> events.add(SimpleConditionEvent.violated(reference, d.getDescription())));
      }
    };
  }

  /** First package name below {@code io.hydrahead}. */
  private static String room(JavaClass c) {
    String rest = c.getPackageName().substring("io.hydrahead".length());
    return rest.isEmpty() ? "" : rest.substring(1).split("\\.")[0];
  }
}
